import { createServer } from 'node:http';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { ServiceError } from './service-error.ts';
import { checkRegisterOptions, checkServiceOptions } from './check-options.ts';

const handler = () => undefined;

function check(options: object, env: Record<string, string> = {}) {
  return checkServiceOptions({ handler, ...options }, env);
}

function problems(options: object, env: Record<string, string> = {}): readonly string[] {
  try {
    checkServiceOptions(options, env);
  } catch (error) {
    return (error as ServiceError).problems;
  }
  return [];
}

describe('service options', () => {
  it('need only a name and a handler', () => {
    expect(check({ name: 'api-service' })).toMatchObject({
      name: 'api-service',
      routes: [],
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
      port: { value: { kind: 'range', from: 20_000, to: 29_999 }, origin: 'default' },
      host: undefined,
    });
  });

  it.each(['billing.v2', 'Billing', 'billing_v2', '_billing', 'b'.repeat(128)])(
    'take the name %s',
    (name) => {
      expect(check({ name }).name).toBe(name);
    },
  );

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
      'meta.roundhouse-identity is reserved',
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
      'address ',
      'handler ',
    );
    for (const place of places)
      expect(found.filter((problem) => problem.startsWith(place)).length, place).toBeGreaterThan(0);
    expect(found.every((problem) => /[.?]$/u.test(problem) && !problem.includes('\n'))).toBe(true);
  });

  it('take routes as texts or parts, and turn them into tags', () => {
    const routes = ['/api/', 'example.org/x', { prefix: '/v1', host: 'a.example.org', strip: '/v1' }];
    expect(check({ name: 'a', routes }).routes).toEqual([
      'urlprefix-/api',
      'urlprefix-example.org/x',
      'urlprefix-a.example.org/v1 strip=/v1',
    ]);
  });

  it('read PORT, HOST and ADDRESS, an option wins, and empty means unset', () => {
    const env = { PORT: '0', HOST: '127.0.0.1', ADDRESS: '10.0.0.4' };
    expect(check({ name: 'a' }, env)).toMatchObject({
      address: { value: '10.0.0.4', origin: 'ADDRESS' },
      port: { value: { kind: 'fixed', port: 0 }, origin: 'PORT' },
      host: { value: '127.0.0.1', origin: 'HOST' },
    });
    expect(check({ name: 'a', port: 80, host: 'localhost', address: 'x.y' }, env)).toMatchObject({
      address: { value: 'x.y', origin: 'option address' },
      port: { value: { kind: 'fixed', port: 80 }, origin: 'option port' },
      host: { value: '127.0.0.1', origin: 'option host' },
    });
    expect(check({ name: 'a' }, { PORT: '', ADDRESS: '' })).toMatchObject({
      address: undefined,
      port: { origin: 'default' },
    });
    for (const [text, shown] of [
      ['80a', '"80a"'],
      ['65536', '65536'],
      ['123456', '"123456"'],
      ['-1', '"-1"'],
      [' 80', '" 80"'],
    ] as const) {
      const problem = `PORT is ${shown}; it must be a port from 0 (any) to 65535.`;
      expect(problems({ name: 'a', handler }, { PORT: text })).toEqual([problem]);
    }
    expect(problems({ name: 'a', handler }, { ADDRESS: '[::1]:80' })).toEqual([
      'ADDRESS is "[::1]:80"; it must be an IP address or a host name, without port or brackets.',
    ]);
  });

  it('refuse a range that runs backwards, has one end only or is no range', () => {
    for (const port of [{ from: 5, to: 4 }, { from: 5 }, { to: 5 }, { from: 1, to: 2, by: 3 }, {}])
      expect(problems({ name: 'a', handler, port }).length).toBeGreaterThan(0);
    expect(check({ name: 'a', port: { from: 5, to: 6 } }).port).toEqual({
      value: { kind: 'range', from: 5, to: 6 },
      origin: 'option port',
    });
  });

  it('name the member that is wrong', () => {
    const options = {
      name: 'a',
      handler: {},
      check: {},
      port: { from: 1, to: 70_000 },
      routes: ['/x', null, { prefix: '/a', path: '/b' }],
      tags: [undefined],
      meta: Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`key${i}`, ''])),
      consul: { token: 3 },
    };
    expect(problems(options)).toEqual([
      'routes[1] is null; it must be an object.',
      'routes[2].path is no option; there are host, prefix, strip.',
      'tags[0] is null; it must be a text of 1 to 512 characters without line breaks.',
      "meta has 60 pairs; Consul takes 64, of which six are the SDK's, so at most 58.",
      'check.http is missing: the path to ask, such as /healthz.',
      'consul.token is 3; it must be a text.',
      'handler is of type object; it must be a Fastify instance, a NestJS, Koa, Express or Hono app, an http.Server or a function (request, response) => ….',
      'port.to is 70000; it must be a whole number from 1 to 65535.',
    ]);
  });

  it('that are misspelt are refused at every depth, with what was probably meant', () => {
    const options = {
      name: 'a',
      handler,
      weigth: 2,
      port: { from: 1, too: 2 },
      check: { http: '/', intervalMS: 1_000 },
      routes: [{ prefx: '/x', prefix: '/x' }],
      consul: { adress: '127.0.0.1:8500', tokn: 'secret' },
      zzz: 1,
    };
    const found = problems(options);
    for (const [place, meant] of [
      ['weigth', 'weight'],
      ['port.too', 'to'],
      ['check.intervalMS', 'intervalMs'],
      ['routes[0].prefx', 'prefix'],
      ['consul.adress', 'address'],
      ['consul.tokn', 'token'],
    ])
      expect(found).toContain(`${place} is no option; did you mean ${meant}?`);
    expect(found.find((problem) => problem.startsWith('zzz'))).toMatch(
      /^zzz is no option; there are .*address, /,
    );
  });

  it('take `fetch` in place of a handler, and not beside one', () => {
    const fetch = () => new Response();
    expect(checkServiceOptions({ name: 'a', fetch }, {}).handler.server.listening).toBe(false);
    for (const options of [
      { name: 'a', handler, fetch },
      { name: 'a', handler, fetch: 'x' },
    ]) {
      expect(problems(options)[0]).toMatch(
        /^fetch is .* must be a function \(request\) => response, without handler/,
      );
    }
  });

  it('of registerService need a port', () => {
    expect(() => checkRegisterOptions({ name: 'a' }, {})).toThrow(/port is missing/);
    expect(checkRegisterOptions({ name: 'a', port: 80 }, { PORT: '90' }).port).toBe(80);
  });

  it('of registerService may name the server that listens, and of startService not', () => {
    expect(checkRegisterOptions({ name: 'a', port: 80, server: createServer() }, {}).port).toBe(80);
    expect(() => checkRegisterOptions({ name: 'a', port: 80, server: {} }, {})).toThrow(
      /^server is of type object; it must be a server/,
    );
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

  it('are refused with one-line sentences or taken, whatever their values are', () => {
    const keys = [
      ...[
        'name',
        'id',
        'address',
        'routes',
        'tags',
        'meta',
        'version',
        'weight',
        'check',
        'ttlMs',
        'gateways',
      ],
      ...[
        'drainTimeoutMs',
        'identity',
        'signals',
        'consul',
        'ready',
        'log',
        'handler',
        'port',
        'host',
        'other\n',
      ],
    ];
    const values = fc.oneof(
      fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true }),
      fc.array(fc.oneof(fc.string(), fc.record({ prefix: fc.anything(), host: fc.anything() }))),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keys), values), (options) => {
        let thrown: unknown;
        try {
          checkServiceOptions(options, {});
        } catch (error) {
          thrown = error;
        }
        if (thrown === undefined) return;
        expect(thrown).toMatchObject({ name: 'ServiceError', code: 'invalid_options' });
        for (const problem of (thrown as ServiceError).problems) expect(problem).toMatch(/^[^\p{Cc}]+[.?]$/u);
      }),
    );
  });
});
