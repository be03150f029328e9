import { createServer } from 'node:http';

import { describe, expect, it } from 'vitest';

import type { ServiceError } from './service-error.ts';
import { checkRegisterOptions, checkServiceOptions } from './validate-options.ts';

function problems(options: object, env: Record<string, string> = {}): readonly string[] {
  try {
    checkServiceOptions(options, env);
  } catch (error) {
    return (error as ServiceError).problems;
  }
  return [];
}

describe('service options', () => {
  it('need only a name', () => {
    expect(checkServiceOptions({ name: 'api-service' }, {})).toMatchObject({
      name: 'api-service',
      tags: [],
      weight: 1,
      ttlMs: 15_000,
      deregisterCriticalAfterMs: 60_000,
      gateways: 'roundhouse',
      acknowledgeTimeoutMs: 5_000,
      propagationMs: 500,
      identity: 'answer',
      drainTimeoutMs: 10_000,
      signals: 'handle',
      address: undefined,
      listen: { port: { kind: 'range', from: 20_000, to: 29_999 }, portOrigin: 'default', host: undefined },
    });
  });

  it('are all checked at once, and every problem is one sentence that names its place', () => {
    const found = problems(
      {
        name: 'api service',
        naem: 1,
        port: 70_000,
        routes: ['api', { host: 'x' }],
        tags: [''],
        meta: { 'a.b': 'x', pid: '1', 'roundhouse-identity': '1', long: 'ä'.repeat(257) },
        weight: 0,
        ttlMs: 10,
        deregisterCriticalAfterMs: 1_000,
        signals: true,
        gateways: 'a b',
        identity: 'maybe',
        acknowledgeTimeoutMs: -1,
        check: { intervalMs: 5 },
        ready: 'yes',
        address: '0.0.0.0',
        consul: { address: 'ftp://x' },
      },
      {},
    );
    const places = [
      'name ',
      'naem ',
      'port ',
      'routes[0]',
      'routes[1]',
      'tags[0]',
      'meta.a.b',
      'meta.pid',
      'meta.roundhouse-identity is ours',
      'meta.long',
    ];
    places.push(
      'weight ',
      'ttlMs',
      'deregisterCriticalAfterMs',
      'signals',
      'gateways',
      'identity',
      'acknowledgeTimeoutMs',
      'check',
      'check.intervalMs',
      'ready',
      'option address',
    );
    for (const place of places)
      expect(found.filter((problem) => problem.startsWith(place)).length, place).toBeGreaterThan(0);
    expect(found.every((problem) => problem.endsWith('.') && !problem.includes('\n'))).toBe(true);
  });

  it('take routes as texts or parts, and turn them into tags in front of the caller’s', () => {
    const routes = ['/api/', 'example.org/x', { prefix: '/v1', host: 'a.example.org', strip: '/v1' }];
    expect(checkServiceOptions({ name: 'a', routes, tags: ['blue'] }, {}).tags).toEqual([
      'urlprefix-/api',
      'urlprefix-example.org/x',
      'urlprefix-a.example.org/v1 strip=/v1',
      'blue',
    ]);
  });

  it('read PORT, HOST and ADDRESS, an option wins, and empty means unset', () => {
    const env = { PORT: '0', HOST: '127.0.0.1', ADDRESS: '10.0.0.4' };
    expect(checkServiceOptions({ name: 'a' }, env)).toMatchObject({
      address: { address: '10.0.0.4', from: 'ADDRESS' },
      listen: { port: { kind: 'kernel' }, portOrigin: 'PORT', host: '127.0.0.1' },
    });
    expect(
      checkServiceOptions({ name: 'a', port: 80, host: 'localhost', address: 'x.y' }, env),
    ).toMatchObject({
      address: { address: 'x.y', from: 'option address' },
      listen: { port: { kind: 'fixed', port: 80 }, host: '127.0.0.1' },
    });
    expect(checkServiceOptions({ name: 'a' }, { PORT: '', ADDRESS: '' }).listen.portOrigin).toBe('default');
    expect(problems({ name: 'a' }, { PORT: '80a' })).toEqual([
      'PORT is "80a"; it must be a port from 0 (any) to 65535.',
    ]);
  });

  it('refuse a range that runs backwards', () => {
    expect(problems({ name: 'a', port: { from: 5, to: 4 } })).toHaveLength(1);
  });

  it('of registerService need a port', () => {
    expect(() => checkRegisterOptions({ name: 'a' }, {})).toThrow(/port is missing/);
    expect(checkRegisterOptions({ name: 'a', port: 80 }, { PORT: '90' }).port).toBe(80);
  });

  it('ask no gateways when told so, nor on behalf of a gateway', () => {
    expect(checkServiceOptions({ name: 'a', gateways: 'off' }, {}).gateways).toBeUndefined();
    expect(checkServiceOptions({ name: 'edge', gateways: 'Edge' }, {}).gateways).toBeUndefined();
    expect(checkRegisterOptions({ name: 'roundhouse', port: 80 }, {}).gateways).toBeUndefined();
  });

  it('of registerService may name the server that listens, and of startService not', () => {
    expect(checkRegisterOptions({ name: 'a', port: 80, server: createServer() }, {}).port).toBe(80);
    expect(() => checkRegisterOptions({ name: 'a', port: 80, server: {} }, {})).toThrow(/^server must be/);
    expect(problems({ name: 'a', server: createServer() })[0]).toMatch(/^server is no option/);
  });

  it('may be anything at all and are still refused with a sentence', () => {
    for (const options of [
      [],
      Object.create(null),
      new Date(),
      { name: null },
      { name: 'a', routes: [null, 3, []] },
    ])
      expect(problems(options as object).length).toBeGreaterThan(0);
  });
});
