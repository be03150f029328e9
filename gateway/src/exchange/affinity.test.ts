import { describe, expect, it } from 'vitest';

import type { FieldLines } from '../http/field-lines.ts';
import type { RequestHead } from '../http/message.ts';
import type { HashSource } from '../routing/policy.ts';
import { hash32 } from './hash.ts';
import { attempt, field, head, refused, relay, route, setUp, trustedClient } from './testing/drive.ts';
import { FakeUpstream, type FakeOptions } from './testing/fake-upstream.ts';

describe('consistent hashing', () => {
  const hashOf = (
    hash: HashSource,
    request: RequestHead,
    balance: 'consistent-hash' | 'random' = 'consistent-hash',
  ) => {
    const upstream = new FakeUpstream({ policy: { balance } });
    setUp({ destination: { upstream, hash } }).open(request);
    return upstream.requests[0]?.hash;
  };

  it.each<[HashSource, RequestHead, string | undefined]>([
    [{ kind: 'client-ip' }, head(), '192.0.2.7'],
    [{ kind: 'client-ip' }, head({}, ['X-Forwarded-For', '1.2.3.4']), '192.0.2.7'],
    [{ kind: 'client-ip' }, head({ client: trustedClient }, ['X-Forwarded-For', '1.2.3.4']), '1.2.3.4'],
    [{ kind: 'path' }, head(), '/api/x'],
    [{ kind: 'header', name: 'x-user' }, head({}, ['X-User', 'u1']), 'u1'],
    [{ kind: 'header', name: 'x-user' }, head(), undefined],
    [{ kind: 'cookie', name: 'sid' }, head({}, ['Cookie', 'a=1; sid=s1']), 's1'],
    [{ kind: 'cookie', name: 'sid' }, head(), undefined],
  ])('places by %j', (source, request, text) => {
    expect(hashOf(source, request)).toBe(text === undefined ? undefined : hash32(text));
  });

  it('is not worked out for another strategy', () => {
    expect(hashOf({ kind: 'path' }, head(), 'random')).toBeUndefined();
  });
});

describe('sticky sessions', () => {
  const sticky = (options: FakeOptions = {}, prefix = '/api') => {
    const upstream = new FakeUpstream({ ids: ['a', 'b', 'c'], ...options });
    const asked: string[] = [];
    const bench = setUp({
      routes: [route({ prefix })],
      destination: { upstream, sticky: 'cookie' },
      context: {
        sessionToken: (service, key) => {
          asked.push(key);
          return `token-${service}-${key.slice(-1)}`;
        },
      },
    });
    return { ...bench, upstream, asked };
  };
  const cookie = (value: string): FieldLines => ['Cookie', `x=1; roundhouse_api=${value}; y=2`];

  it('binds a client that has no cookie to the instance that answers, and tells caches', () => {
    const { open } = sticky();
    const exchange = open();
    const { fields } = relay(exchange.responded({ fields: ['Set-Cookie', 'app=1'] }));
    expect(field(fields, 'set-cookie')).toEqual([
      'app=1',
      'roundhouse_api=token-api-a; Path=/api; HttpOnly; SameSite=Lax',
    ]);
    expect(field(fields, 'cache-control')).toEqual(['no-cache="Set-Cookie"']);
  });

  it('sends a client to its instance, says nothing more, and keeps the cookie to itself', () => {
    const { open } = sticky();
    const exchange = open(head({}, cookie('token-api-c')));
    const step = attempt(exchange.first);
    expect(step.endpoint.instance.id).toBe('c');
    expect(field(step.fields, 'cookie')).toEqual(['x=1; y=2']);
    expect(field(relay(exchange.responded()).fields, 'set-cookie')).toEqual([]);
    const alone = attempt(open(head({}, ['Cookie', 'roundhouse_api=token-api-c'])).first);
    expect(field(alone.fields, 'cookie')).toEqual([]);
  });

  it.each(['token-api-z', 'forged', ''])('falls through for %j and issues another', (value) => {
    const { open } = sticky();
    const exchange = open(head({}, cookie(value)));
    expect(attempt(exchange.first).endpoint.instance.id).toBe('a');
    expect(field(relay(exchange.responded()).fields, 'set-cookie')[0]).toMatch(
      /^roundhouse_api=token-api-a;/,
    );
  });

  it('falls through when the instance fails, and binds to the one that answers', () => {
    const { open } = sticky();
    const exchange = open(head({}, cookie('token-api-c')));
    expect(attempt(exchange.failed(refused)).endpoint.instance.id).toBe('a');
    expect(field(relay(exchange.responded()).fields, 'set-cookie')[0]).toMatch(
      /^roundhouse_api=token-api-a;/,
    );
  });

  it('binds nobody to an instance that answers 5xx', () => {
    const { open } = sticky();
    const exchange = open();
    expect(field(relay(exchange.responded({ status: 500 })).fields, 'set-cookie')).toEqual([]);
  });

  it('says Secure over https, by the word of a trusted peer only', () => {
    const said = (more: Partial<RequestHead>) => {
      const exchange = sticky().open(head(more, ['X-Forwarded-Proto', 'https']));
      return field(relay(exchange.responded()).fields, 'set-cookie')[0];
    };
    expect(said({})).not.toContain('Secure');
    expect(said({ client: trustedClient })).toContain('; Secure');
    expect(said({ client: { ...head().client, scheme: 'https' } })).toContain('; Secure');
  });

  it('keeps to the part of the site that the route is', () => {
    const path = (prefix: string) => {
      const exchange = sticky({}, prefix).open(head({ target: `${prefix}/x` }));
      return /Path=([^;]*);/.exec(field(relay(exchange.responded()).fields, 'set-cookie')[0] ?? '')?.[1];
    };
    expect(path('/a/b')).toBe('/a/b');
    expect(path('/a;b')).toBe('/');
  });

  it('works out each token once, and knows the instances that come', () => {
    const { open, upstream, asked } = sticky({ ids: ['a', 'b'] });
    const [a, b] = upstream.endpoints;
    upstream.endpoints = [a!];
    for (let i = 0; i < 5; i += 1) open(head({}, cookie('token-api-b')));
    upstream.endpoints = [a!, b!];
    expect(attempt(open(head({}, cookie('token-api-b'))).first).endpoint.instance.id).toBe('b');
    expect(asked).toEqual(['c/n/a', 'c/n/b']);
  });

  it('touches no cookie where sessions are off', () => {
    const { open } = setUp();
    const exchange = open(head({}, cookie('token-api-b')));
    expect(field(attempt(exchange.first).fields, 'cookie')).toEqual(['x=1; roundhouse_api=token-api-b; y=2']);
    expect(field(relay(exchange.responded()).fields, 'set-cookie')).toEqual([]);
  });
});
