import { identityMetaKey, identityPath, routingStatusTarget } from '@roundhouse/agent-sdk/internal';
import { describe, expect, it } from 'vitest';

import { instance } from '../../../../test/kit/builders.ts';
import { answer, attempt, codeOf, field, head, route, setUp } from '../testing/drive.ts';

const root = () =>
  setUp({
    routes: [route({ prefix: '/' }), route({ prefix: '/strip', strip: '/strip' })],
    context: {
      routingStatus: ({ service, id, key }) =>
        key === 'k' ? { gateway: 'gw', state: 'out', reason: `${service} ${id}`, inFlight: 3 } : undefined,
    },
  });

const asking = (service: string, id: string, key = 'k') => routingStatusTarget({ service, id, key });

describe('/.well-known/roundhouse/', () => {
  it('says how an instance stands, and no cache may keep it', () => {
    const { open, records } = root();
    const exchange = open(head({ target: asking('my api', 'i-1') }));
    const step = answer(exchange.first);
    expect(step).toMatchObject({ status: 200, connection: 'keep' });
    expect(JSON.parse(step.body)).toEqual({ gateway: 'gw', state: 'out', reason: 'my api i-1', inFlight: 3 });
    expect(field(step.fields, 'content-type')).toEqual(['application/json']);
    expect(field(step.fields, 'cache-control')).toEqual(['no-store']);
    expect(field(step.fields, 'x-request-id')).toEqual(['id-1']);
    exchange.ended();
    expect(records[0]).toMatchObject({ status: 200, service: undefined, route: undefined, error: undefined });
    expect(answer(open(head({ method: 'HEAD', target: asking('a', 'b') })).first).status).toBe(200);
  });

  it.each([
    ['GET', identityPath],
    ['GET', '/.well-known/roundhouse/'],
    ['GET', '/x/../.well-known/roundhouse/instance'],
    ['GET', '/.well%2Dknown/roundhouse/instance'],
    ['GET', '/strip/.well-known/roundhouse/instance'],
    ['GET', '/.well-known/roundhouse/instances/a/b/c'],
    ['POST', asking('a', 'b')],
    ['GET', asking('a', 'b', 'guessed')],
    ['GET', '/.well-known/roundhouse/instances/a/b'],
    ['GET', '/.well-known/roundhouse/instances/a/b?key='],
  ])('tells nothing and never reaches an instance: %s %s', (method, target) => {
    expect(codeOf(root().open(head({ method, target })).first)).toBe('no_route');
  });

  it('leaves the rest of /.well-known/ alone', () => {
    expect(attempt(root().open(head({ target: '/.well-known/acme-challenge/x' })).first).target).toBe(
      '/.well-known/acme-challenge/x',
    );
  });
});

describe('who has to answer', () => {
  const asked = (identity: 'verify' | 'off', meta: Readonly<Record<string, string>>) => {
    const { open } = setUp({ instances: [instance('a', { meta })], context: { identity } });
    return attempt(open().first).identity;
  };

  it('is the instance that says it can be asked, when the gateway asks', () => {
    expect(asked('verify', { [identityMetaKey]: '1' })).toBe('a');
    expect(asked('verify', { [identityMetaKey]: '2' })).toBeUndefined();
    expect(asked('verify', {})).toBeUndefined();
    expect(asked('off', { [identityMetaKey]: '1' })).toBeUndefined();
  });
});
