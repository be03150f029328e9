import { describe, expect, it } from 'vitest';

import { defaults } from './defaults.ts';
import type { Environment } from './options.ts';
import { serviceSettings, type GatewayConfig } from './gateway-config.ts';
import { formatHashSource, parseHashSource } from './hash-source.ts';
import { loadConfig, type LoadedConfig } from './load-config.ts';
import { formatProblems } from './problems.ts';

function load(file: string, env: Environment = {}): LoadedConfig {
  return loadConfig({ env, flags: {}, readFile: () => ({ kind: 'text', text: file }) });
}

function good(file: string, env: Environment = {}): Extract<LoadedConfig, { kind: 'config' }> {
  const loaded = load(file, env);
  if (loaded.kind === 'invalid') throw new Error(formatProblems(loaded.problems));
  return loaded;
}

const config = (file: string, env: Environment = {}): GatewayConfig => good(file, env).config;

function problems(file: string, env: Environment = {}): string[] {
  const loaded = load(file, env);
  return loaded.kind === 'invalid' ? loaded.problems.map((p) => `${p.place}: ${p.message}`) : [];
}

describe('settings of a service', () => {
  it('need no fixed list, and are only what the file says', () => {
    const { services } = config(
      'services: { api: { balance: power-of-two, queue: { limit: 5 }, checks: { kind: tcp }, hash: header:X-Id } }',
    );
    expect(services).toEqual([
      {
        service: 'api',
        instances: undefined,
        settings: {
          balance: 'power-of-two',
          queue: { limit: 5 },
          checks: { kind: 'tcp' },
          hash: { kind: 'header', name: 'x-id' },
        },
      },
    ]);
  });

  it('lie over the global ones, groups key by key, later ones over earlier ones', () => {
    const base = config('queue: { limit: 7 }\nmaxRequests: 9');
    const settings = serviceSettings(
      base,
      { queue: { timeoutMs: 1 }, maxRequests: 10 },
      { queue: { timeoutMs: 2 }, maxConnections: 0, sticky: 'cookie' },
    );
    expect(settings.queue).toEqual({ limit: 7, timeoutMs: 2 });
    expect([settings.maxRequests, settings.maxConnections, settings.sticky]).toEqual([10, 0, 'cookie']);
    expect(serviceSettings(defaults)).toEqual(
      Object.fromEntries(Object.keys(settings).map((key) => [key, defaults[key as keyof GatewayConfig]])),
    );
  });

  it('are refused with the place, the value and what to do', () => {
    expect(
      problems(
        [
          'services:',
          '  a: { queue: { limit: 1.5 } }',
          '  b: { balance: fastest }',
          '  c: { ejection: { bseMs: 5 } }',
          '  d: { engine: wire }',
          '  e: { checks: { kind: http, path: health } }',
          '  f: { hash: "header:" }',
          '  g: { queue: 5 }',
          '  h: [10.0.0.1:80]',
        ].join('\n'),
      ),
    ).toEqual([
      'gateway.yaml:2:17 services.a.queue.limit: got 1.5; allowed: a whole number from 0 to 1000000',
      'gateway.yaml:3:8 services.b.balance: got "fastest"; allowed: one of round-robin, least-requests, power-of-two, random, consistent-hash',
      'gateway.yaml:4:20 services.c.ejection.bseMs: unknown key "bseMs"; did you mean baseMs?',
      'gateway.yaml:5:8 services.d.engine: unknown key "engine"; known here: instances, balance, hash, sticky, slowStartMs, maxConnections, queue, maxRequests, maxRetries, panicRatio, ejection, outliers, silence, checks',
      'gateway.yaml:6:30 services.e.checks.path: got "health"; allowed: a path that starts with /, without spaces and #, at most 1024 characters',
      'gateway.yaml:7:8 services.f.hash: got "header:"; allowed: client-ip, path, header:NAME or cookie:NAME',
      'gateway.yaml:8:8 services.g.queue: got 5; allowed: a mapping with limit, timeoutMs',
      'gateway.yaml:9:3 services.h: got ["10.0.0.1:80"]; allowed: a service with instances: [host:port, …] or settings of its own',
    ]);
  });

  it('may not be left out altogether', () => {
    expect(problems('services:\n  a: {}')).toEqual([
      'gateway.yaml:2:3 services.a: says nothing; needed: instances: [host:port, …], or at least one setting',
    ]);
  });

  it('may not contradict each other, with the global ones they are laid over neither', () => {
    expect(problems('services: { a: { ejection: { baseMs: 90000 } } }')).toEqual([
      'gateway.yaml:1:30 services.a.ejection.baseMs: got maxMs 60000; allowed: at least baseMs, which is 90000',
    ]);
    expect(problems('services: { a: { checks: { intervalMs: 1000 } } }')).toEqual([
      'gateway.yaml:1:28 services.a.checks.intervalMs: got timeoutMs 2000; allowed: at most intervalMs, which is 1000',
    ]);
    // The clash is global: it is reported once, where it is.
    expect(problems('checks: { timeoutMs: 9000 }\nservices: { a: { balance: random } }')).toEqual([
      'gateway.yaml:1:11 checks.timeoutMs: got timeoutMs 9000; allowed: at most intervalMs, which is 5000',
    ]);
    expect(problems('checks: { timeoutMs: 9 }\nservices: { a: { checks: { intervalMs: 10 } } }')).toEqual([]);
  });
});

describe('times and tries of a route', () => {
  it('are only what the file says', () => {
    const [route] = config(
      'routes: [{ prefix: /, service: x, timeouts: { tryMs: 0, totalMs: 9 }, retry: { statuses: [503], nonIdempotent: allow }, hedgeAfterMs: 0 }]',
    ).routes;
    expect(route).toMatchObject({
      timeouts: { tryMs: 0, totalMs: 9 },
      retry: { statuses: [503], nonIdempotent: 'allow' },
      hedgeAfterMs: 0,
    });
  });

  it('keep a try within the total time, globally and in each route', () => {
    const message = 'got tryMs 9; allowed: at most totalMs, which is 5';
    expect(problems('', { GATEWAY_TIMEOUTS_TRY_MS: '9', GATEWAY_TIMEOUTS_TOTAL_MS: '5' })).toEqual([
      `GATEWAY_TIMEOUTS_TRY_MS: ${message}`,
    ]);
    const route = (timeouts: string): string =>
      `timeouts: { tryMs: 9 }\nroutes: [{ prefix: /, service: x, timeouts: ${timeouts} }]`;
    expect(problems(route('{ totalMs: 5 }'))).toEqual([
      `gateway.yaml:2:47 routes[0].timeouts.totalMs: ${message}`,
    ]);
    expect(problems(route('{ tryMs: 0, totalMs: 5 }'))).toEqual([]);
    expect(problems(route('{ totalMs: 0 }'))).toEqual([]);
  });

  it('retry after 502, 503 and 504 only, wherever it is said', () => {
    expect(config('', { GATEWAY_RETRY_STATUSES: '502,504' }).retry.statuses).toEqual([502, 504]);
    expect(problems('', { GATEWAY_RETRY_STATUSES: '500' })).toEqual([
      'GATEWAY_RETRY_STATUSES: got [500]; allowed: one of 502, 503, 504',
    ]);
    expect(problems('retry: { statuses: [502, 500] }')).toEqual([
      'gateway.yaml:1:26 retry.statuses[1]: got 500; allowed: one of 502, 503, 504',
    ]);
    expect(problems('retry: { statuses: 503 }')).toEqual([
      'gateway.yaml:1:10 retry.statuses: got 503; allowed: a list of numbers out of 502, 503, 504',
    ]);
  });

  it('warn of a hedge that comes after the end of the try', () => {
    expect(good('hedgeAfterMs: 5\ntimeouts: { tryMs: 5 }').warnings).toEqual([
      'hedgeAfterMs (5 ms) never comes: a try ends after 5 ms, by timeouts.tryMs.',
    ]);
    const routes = 'routes: [{ prefix: /, service: x, hedgeAfterMs: 7 }]';
    expect(good(`${routes}\ntimeouts: { tryMs: 7 }`).warnings).toHaveLength(1);
    expect(good(`${routes}\ntimeouts: { tryMs: 8 }`).warnings).toEqual([]);
  });
});

describe('the secret of sticky sessions', () => {
  it('is long enough, or drawn at the start', () => {
    expect(config('stickySecret: 0123456789abcdef').stickySecret).toBe('0123456789abcdef');
    expect(config('').stickySecret).toBe('random');
  });

  it('appears in no problem, also when its variable is misspelt', () => {
    const lines = [
      ...problems('stickySecret: canary'),
      ...problems('', { GATEWAY_STICKY_SECRET: 'canary' }),
      ...problems('', { GATEWAY_STICKY_SECERT: 'canary' }),
    ];
    expect(lines).toHaveLength(3);
    expect(lines.join('\n')).not.toContain('canary');
    expect(lines[1]).toBe(
      'GATEWAY_STICKY_SECRET: got a value that is not shown; allowed: random, or a text of at least 16 characters',
    );
  });

  it('drawn at the start is warned of where it is used', () => {
    const file = 'services: { a: { sticky: cookie } }';
    const { warnings } = good(file);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^services\.a\.sticky: .*GATEWAY_STICKY_SECRET/s);
    expect(good(file, { GATEWAY_STICKY_SECRET: '0123456789abcdef' }).warnings).toEqual([]);
    expect(good('', { GATEWAY_STICKY: 'cookie' }).warnings).toHaveLength(1);
  });
});

describe('where instances may be, and what is kept', () => {
  it('takes ranges in normal form, from the environment too', () => {
    expect(
      config('addresses: { deny: [10.1.2.3/8] }', { GATEWAY_ADDRESSES_ALLOW: 'fd00::1/8' }),
    ).toMatchObject({
      addresses: { allow: ['fd00::/8'], deny: ['10.0.0.0/8'], loopback: 'auto' },
    });
    expect(problems('addresses: { allow: [10.0.0.0/33] }')[0]).toContain('an IP address or a CIDR range');
    expect(problems('guard: { maxRemovedRatio: 2 }')[0]).toContain('a number from 0 to 1');
    expect(config('savedTable: ./table.json').savedTable).toBe('./table.json');
    expect(problems('savedTable: ""')).toHaveLength(1);
  });
});

describe('parseHashSource', () => {
  it.each(['client-ip', 'path', 'header:x-tenant', 'cookie:SID'])('reads %s as it is shown', (text) => {
    const parsed = parseHashSource(text);
    expect('value' in parsed && formatHashSource(parsed.value)).toBe(text);
  });

  it('lowers names of fields, not of cookies', () => {
    expect(parseHashSource('header:X-Tenant')).toEqual({ value: { kind: 'header', name: 'x-tenant' } });
  });

  it.each(['', 'ip', 'header', 'header:', 'header:a b', 'cookie:a=b', 'cookie:', ':x', 'path:x', 'query:x'])(
    'refuses %j',
    (text) => {
      expect(parseHashSource(text)).toHaveProperty('problem');
    },
  );
});
