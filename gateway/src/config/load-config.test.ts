import { describe, expect, it } from 'vitest';

import { defaults } from './defaults.ts';
import type { Environment } from './options.ts';
import { loadConfig, type LoadedConfig } from './load-config.ts';
import { formatProblems } from './problems.ts';

interface Given {
  file?: string;
  env?: Environment;
  flags?: Record<string, string>;
}

function load({ file, env = {}, flags = {} }: Given): LoadedConfig {
  return loadConfig({
    env,
    flags,
    readFile: () => (file === undefined ? { kind: 'absent' } : { kind: 'text', text: file }),
  });
}

function config(given: Given): Extract<LoadedConfig, { kind: 'config' }> {
  const loaded = load(given);
  if (loaded.kind === 'invalid') throw new Error(formatProblems(loaded.problems));
  return loaded;
}

function problems(given: Given): string[] {
  const loaded = load(given);
  return loaded.kind === 'invalid' ? loaded.problems.map((p) => `${p.place}: ${p.message}`) : [];
}

describe('loadConfig without anything', () => {
  it('gives the defaults, with the two routes of the demo', () => {
    const loaded = config({});
    expect(loaded.config).toEqual(defaults);
    expect(loaded.config.routes.map((r) => [r.prefix, r.service, r.source])).toEqual([
      ['/api', 'api-service', 'default'],
      ['/', 'webapp-service', 'default'],
    ]);
    expect(loaded.warnings).toEqual([]);
  });

  it('takes an empty file and a file of comments for no file', () => {
    expect(config({ file: '' }).config).toEqual(defaults);
    expect(config({ file: '# nothing yet\n' }).config).toEqual(defaults);
  });

  it('freezes all of it', () => {
    const { config: frozen } = config({ file: 'routes: [{ prefix: /x, service: x }]' });
    expect(Object.isFrozen(frozen)).toBe(true);
    expect(Object.isFrozen(frozen.limits)).toBe(true);
    expect(Object.isFrozen(frozen.routes[0]?.timeouts)).toBe(true);
    expect(structuredClone(frozen)).toEqual(frozen);
  });
});

describe('precedence', () => {
  const file = 'listen: { port: 1001 }\nadmin: { port: 1002 }\nlog: { level: warn }\n';

  it('is flag over environment over file over default', () => {
    const { config: c, origins } = config({
      file,
      env: { GATEWAY_PORT: '2001', GATEWAY_ADMIN_PORT: '2002' },
      flags: { port: '3001' },
    });
    expect([c.listen.port, c.admin.port, c.log.level, c.listen.host]).toEqual([
      3001,
      2002,
      'warn',
      '0.0.0.0',
    ]);
    expect([
      origins['listen.port'],
      origins['admin.port'],
      origins['log.level'],
      origins['listen.host'],
    ]).toEqual(['--port', 'GATEWAY_ADMIN_PORT', 'gateway.yaml:3:8 log.level', 'default']);
  });

  it('counts an empty variable as not set', () => {
    expect(config({ file, env: { GATEWAY_PORT: '', LOG_LEVEL: ' ' } }).config.listen.port).toBe(1001);
  });

  it('judges a value even where another overrides it', () => {
    expect(problems({ env: { GATEWAY_PORT: 'abc' }, flags: { port: '1' } })).toEqual([
      'GATEWAY_PORT: got "abc"; allowed: a whole number from 0 to 65535',
    ]);
  });

  it('reads a share with and without the 0 before the point', () => {
    const { config: c } = config({
      env: { GATEWAY_PANIC_RATIO: '.25' },
      flags: { retryBudgetRatio: '0.5' },
    });
    expect([c.panicRatio, c.retry.budgetRatio]).toEqual([0.25, 0.5]);
    expect(problems({ env: { GATEWAY_PANIC_RATIO: '.' } })).toHaveLength(1);
  });

  it('keeps 0 where 0 means something', () => {
    const { config: c } = config({ env: { GATEWAY_PORT: '0', GATEWAY_DRAIN_NOTICE_MS: '0' } });
    expect([c.listen.port, c.drain.noticeMs]).toEqual([0, 0]);
  });
});

describe('problems', () => {
  it('come all at once, each with its place, the value and what is allowed', () => {
    const file = [
      'listen:',
      '  prot: 8080',
      'admin:',
      '  port: 70000',
      'routes:',
      '  - prefix: api',
      '    service: api-service',
      '  - service: "a\\tb"',
      'engine: nginx',
      '',
    ].join('\n');
    expect(
      problems({
        file,
        env: { GATEWAY_PROT: '1', LOG_LEVEL: 'loud' },
        flags: { drainTimeoutMs: '5s' },
      }).sort(),
    ).toEqual(
      [
        'gateway.yaml:2:3 listen.prot: unknown key "prot"; did you mean port?',
        'gateway.yaml:4:3 admin.port: got 70000; allowed: a whole number from 0 to 65535',
        'gateway.yaml:6:5 routes[0].prefix: got "api"; allowed: a path prefix such as /api; this one does not start with /',
        'gateway.yaml:8:5 routes[1].prefix: is missing; needed: a path prefix, such as /api',
        'gateway.yaml:8:5 routes[1].service: got "a\\tb"; allowed: a service name: 1 to 512 characters without control characters',
        'gateway.yaml:9:1 engine: got "nginx"; allowed: one of wire, http-proxy',
        'GATEWAY_PROT: unknown variable (with value "1"); did you mean GATEWAY_PORT?',
        'LOG_LEVEL: got "loud"; allowed: one of trace, debug, info, warn, error, silent',
        '--drain-timeout-ms: got "5s"; allowed: a whole number of milliseconds from 0 to 2147483647',
      ].sort(),
    );
  });

  it('are one per value, also when several rules are broken', () => {
    expect(problems({ file: 'limits: { headLines: -1.5 }' })).toHaveLength(1);
  });

  it('name both lines when two routes claim the same host and prefix', () => {
    const file = [
      'routes:',
      '  - { prefix: /api, service: a }',
      '  - { prefix: /api, host: Example.org, service: b }',
      '  - { prefix: /api/, service: c }',
      '  - { prefix: /%61pi, host: example.org., service: d }',
    ].join('\n');
    expect(problems({ file })).toEqual([
      'gateway.yaml:4:5 routes[2]: claims /api again; routes[0] on line 2 has it already',
      'gateway.yaml:5:5 routes[3]: claims example.org/api again; routes[1] on line 3 has it already',
    ]);
  });

  it('tell of broken YAML with line and column', () => {
    const [first] = problems({ file: 'listen:\n  port: [1\nadmin: 2\n' });
    expect(first).toMatch(/^gateway\.yaml:\d+:\d+: /);
    expect(problems({ file: 'admin: {}\nadmin: {}\n' })[0]).toMatch(/^gateway\.yaml:2:1: .*unique/);
    expect(problems({ file: '- a\n- b\n' })).toEqual([
      'gateway.yaml:1:1: got ["a","b"]; allowed: a mapping of options',
    ]);
  });

  it('do not explode on a billion laughs', () => {
    const lines = ['a0: &a0 [x, x]'];
    for (let i = 1; i < 30; i++) lines.push(`a${i}: &a${i} [*a${i - 1}, *a${i - 1}]`);
    expect(problems({ file: lines.join('\n') })).toHaveLength(1);
  });

  it('escape what would move a cursor', () => {
    const [line] = problems({ env: { GATEWAY_HOST: '\u001b[2J\u009b2J' } });
    expect(line).toMatch(/^[ -~]+$/);
  });

  it('name the flag, variable or nobody for a file that is not there', () => {
    expect(problems({ flags: { config: 'x.yaml' } })).toEqual([
      '--config: got "x.yaml"; there is no such file',
    ]);
    expect(problems({ env: { GATEWAY_CONFIG: 'y.yaml' } })).toEqual([
      'GATEWAY_CONFIG: got "y.yaml"; there is no such file',
    ]);
    const unreadable = loadConfig({
      env: {},
      flags: {},
      readFile: () => ({ kind: 'failed', reason: 'EACCES' }),
    });
    expect(unreadable).toEqual({
      kind: 'invalid',
      problems: [{ place: 'gateway.yaml', message: 'got "gateway.yaml"; it cannot be read (EACCES)' }],
    });
  });

  it('catch two listeners on one address, and an ejection that ends before it starts', () => {
    expect(problems({ env: { GATEWAY_ADMIN_PORT: '8080' } })).toEqual([
      'GATEWAY_ADMIN_PORT: admin (127.0.0.1:8080) and traffic (0.0.0.0:8080) need addresses of their own',
    ]);
    expect(problems({ env: { GATEWAY_PORT: '0', GATEWAY_ADMIN_PORT: '0' } })).toEqual([]);
    expect(problems({ file: 'ejection: { baseMs: 90000 }' })).toEqual([
      'gateway.yaml:1:13 ejection.baseMs: got maxMs 60000; allowed: at least baseMs, which is 90000',
    ]);
  });
});

describe('discovery', () => {
  it('with another prefix of tags has no built-in routes', () => {
    const { config: c } = config({
      env: { GATEWAY_DISCOVERY_TAG_PREFIX: 'public-', GATEWAY_DISCOVERY_ONLY_TAGS: 'public, edge' },
    });
    expect(c.discovery).toEqual({ tagPrefix: 'public-', onlyTags: ['public', 'edge'] });
    expect(c.routes).toEqual([]);
    expect(problems({ env: { GATEWAY_DISCOVERY_TAG_PREFIX: 'a/b' } })).toHaveLength(1);
  });
});

describe('GATEWAY_ variables that no setting has', () => {
  it.each([
    ['GATEWAY_ADMIN_PROT', 'GATEWAY_ADMIN_PORT'],
    ['GATEWAY_HOSTS', 'GATEWAY_HOST'],
    ['GATEWAY_LIMIT_BODY_BYTES', 'GATEWAY_LIMITS_BODY_BYTES'],
    ['GATEWAY_CONFG', 'GATEWAY_CONFIG'],
    // What the rule for names would make of settings with shorter ones.
    ['GATEWAY_LISTEN_PORT', 'GATEWAY_PORT'],
    ['GATEWAY_LOG_LEVEL', 'LOG_LEVEL'],
  ])('are a problem near to one: %s', (name, meant) => {
    expect(problems({ env: { [name]: '1' } })).toEqual([
      `${name}: unknown variable (with value "1"); did you mean ${meant}?`,
    ]);
  });

  it.each(['HOSTNAME', 'INTERFACE', 'NAME', 'URL', 'TOKEN', 'DOMAIN', 'API_KEY', 'VERSION', 'MONGODB_URI'])(
    'are a warning otherwise: GATEWAY_%s',
    (name) => {
      expect(config({ env: { [`GATEWAY_${name}`]: 'secret' } }).warnings).toEqual([
        `GATEWAY_${name} is not read: no setting has this name (docs/configuration.md lists them).`,
      ]);
    },
  );
});

describe('variables that a container link injects', () => {
  it('are not read, and a warning says so', () => {
    const loaded = config({
      env: {
        GATEWAY_PORT: 'tcp://10.0.0.1:80',
        GATEWAY_SERVICE_HOST: '10.0.0.1',
        GATEWAY_SERVICE_PORT_HTTP: '80',
        GATEWAY_PORT_80_TCP_ADDR: '10.0.0.1',
        GATEWAY_ADMIN_PORT: 'tcp://10.0.0.2:81',
      },
    });
    expect(loaded.config.listen.port).toBe(8080);
    expect(loaded.config.admin.port).toBe(8081);
    expect(loaded.warnings).toHaveLength(2);
    expect(loaded.warnings[0]).toContain('enableServiceLinks');
  });
});

describe('routes and services', () => {
  it('in the file replace the built-in routes', () => {
    const { config: c } = config({
      file: 'routes:\n  - prefix: /shop/\n    host: SHOP.example.org\n    service: shop\n    strip: /shop\n    timeouts: { responseHeadMs: 5 }\n',
    });
    expect(c.routes).toEqual([
      {
        prefix: '/shop',
        host: 'shop.example.org',
        service: 'shop',
        strip: '/shop',
        timeouts: { responseHeadMs: 5 },
        retry: {},
        hedgeAfterMs: undefined,
        paths: undefined,
        source: 'config',
      },
    ]);
  });

  it('may be an empty list: then only tags make routes', () => {
    expect(config({ file: 'routes: []' }).config.routes).toEqual([]);
  });

  it('refuse a strip that is not part of the prefix', () => {
    expect(problems({ file: 'routes: [{ prefix: /api, strip: /ap, service: x }]' })[0]).toContain(
      'routes[0].strip: got "/ap"',
    );
    expect(problems({ file: 'routes: [{ prefix: /api, strip: /, service: x }]' })).toHaveLength(1);
  });

  it('take fixed instances by IPv4, IPv6 and name', () => {
    const loaded = config({
      file: "services: { legacy: { instances: ['10.0.0.5:9001', '[FD00::1]:80', 'db_1.local:1'] } }",
    });
    expect(loaded.config.services).toEqual([
      {
        service: 'legacy',
        instances: [
          { address: '10.0.0.5', port: 9001 },
          { address: 'fd00::1', port: 80 },
          { address: 'db_1.local', port: 1 },
        ],
        settings: {},
      },
    ]);
    expect(loaded.config.routes).toEqual(defaults.routes);
    expect(loaded.warnings).toEqual(['services.legacy has a fixed list, but no route leads to it.']);
  });

  it.each([
    '10.0.0.5',
    '10.0.0.5:0',
    '10.0.0.5:65536',
    ':80',
    'fd00::1:80',
    '010.0.0.1:80',
    '0x7f.1:80',
    'http://a:80',
    'a b:80',
    'a:80:90',
    '0x7f000001:1',
  ])('refuse %s as an instance', (text) => {
    expect(problems({ file: `services: { legacy: { instances: [${JSON.stringify(text)}] } }` })).toHaveLength(
      1,
    );
  });

  it('refuse an instance twice, none, and a name that no path can ask for', () => {
    expect(problems({ file: "services: { x: { instances: ['a:1', 'A:1'] } }" })[0]).toContain(
      'instances[0] is the same',
    );
    expect(problems({ file: 'services: { x: { instances: [] } }' })).toHaveLength(1);
    expect(problems({ file: "services: { '..': { instances: ['a:1'] } }" })[0]).toContain('got ".."');
    expect(config({ file: "services: { 'x/y': { instances: ['a:1'] } }" }).config.services).toHaveLength(1);
  });
});

describe('exposure', () => {
  it('of the admin listener is allowed, with a warning that names its origin', () => {
    expect(config({ env: { GATEWAY_ADMIN_HOST: '0.0.0.0' } }).warnings[0]).toContain('(GATEWAY_ADMIN_HOST)');
    for (const host of ['127.0.0.2', 'localhost', '::1', '[::1]'])
      expect(config({ env: { GATEWAY_ADMIN_HOST: host } }).warnings).toEqual([]);
  });

  it('to forged client addresses is warned of', () => {
    const loaded = config({
      env: { GATEWAY_TRUSTED_PROXIES: '10.1.2.3/8, ::ffff:192.168.0.1, fd00::1/8, 0.0.0.0/0' },
    });
    expect(loaded.config.trustedProxies).toEqual(['10.0.0.0/8', '192.168.0.1/32', 'fd00::/8', '0.0.0.0/0']);
    expect(loaded.warnings).toHaveLength(1);
  });
});

it('finds what is wrong by itself and what contradicts something else in one round, from the top of the file to its end', () => {
  const text = [
    'ejection: { baseMs: 9000, maxMs: 8000 }', // contradict each other
    'timeouts: { tryMs: soon, totalMs: 5 }', // nothing is known of tryMs
    'services:',
    '  a: { checks: { intervalMs: 10, timeoutMs: 20 } }', // contradict each other
    '  b: { balance: best, checks: { intervalMs: 10, timeoutMs: 20 } }', // left alone beside its own problem
    'routes:',
    '  - { prefix: api, service: a }',
    '  - { prefix: /b, service: b, timeouts: { connectMs: 0 } }',
    '  - { prefix: /c, service: c }',
    '  - { prefix: /c, service: c }', // the same again
    'listen: { port: 8081 }', // clashes with admin.port by a flag
    'unknown: 1',
  ].join('\n');
  const loaded = loadConfig({
    env: { GATEWAY_GUARD_HOLD_MS: 'long' },
    flags: { adminPort: '8081' },
    readFile: () => ({ kind: 'text', text }),
  });
  const places = loaded.kind === 'invalid' ? loaded.problems.map(({ place }) => place) : [];
  expect(places).toEqual([
    'gateway.yaml:1:27 ejection.maxMs',
    'gateway.yaml:2:13 timeouts.tryMs',
    'gateway.yaml:4:34 services.a.checks.timeoutMs',
    'gateway.yaml:5:8 services.b.balance',
    'gateway.yaml:7:7 routes[0].prefix',
    'gateway.yaml:8:43 routes[1].timeouts.connectMs',
    'gateway.yaml:10:5 routes[3]',
    'gateway.yaml:12:1 unknown',
    'GATEWAY_GUARD_HOLD_MS',
    '--admin-port',
  ]);
});

it('points at the right route when routes above it are wrong', () => {
  const text = [
    'routes:',
    '  - { prefix: api, service: a }',
    '  - { prefix: /b, service: b, timeouts: { tryMs: 7, totalMs: 5 } }',
  ].join('\n');
  const loaded = loadConfig({ env: {}, flags: {}, readFile: () => ({ kind: 'text', text }) });
  expect(loaded).toMatchObject({
    problems: [
      { place: 'gateway.yaml:2:7 routes[0].prefix' },
      { place: 'gateway.yaml:3:43 routes[1].timeouts.tryMs' },
    ],
  });
});
