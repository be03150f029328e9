import { expect, it } from 'vitest';

import { describeConfig, formatConfig } from './describe-config.ts';
import { loadConfig } from './load-config.ts';

it('shows every effective value with its origin', () => {
  const loaded = loadConfig({
    env: { GATEWAY_PORT: '9000' },
    flags: { trustedProxies: '10.0.0.0/8' },
    readFile: () => ({
      kind: 'text',
      text: "services: { old: { instances: ['[::2]:1'] } }\nroutes: [{ prefix: /x, service: old, strip: /x }]",
    }),
  });
  if (loaded.kind === 'invalid') throw new Error('invalid');
  const rows = describeConfig(loaded);
  const row = (path: string) => rows.find((r) => r.path === path);
  expect(row('listen.port')).toEqual({ path: 'listen.port', value: '9000', origin: 'GATEWAY_PORT' });
  expect(row('trustedProxies')).toEqual({
    path: 'trustedProxies',
    value: '10.0.0.0/8',
    origin: '--trusted-proxies',
  });
  expect(row('routes[0]')).toEqual({
    path: 'routes[0]',
    value: '/x → old (strips /x)',
    origin: 'gateway.yaml:2:1 routes',
  });
  expect(row('services.old')?.value).toBe('[::2]:1');
  expect(row('engine')?.origin).toBe('default');
  expect(formatConfig(rows)).toMatch(/^listen\.port +9000 +GATEWAY_PORT$/m);
});

it('shows what routes and services override, and the hash as it is written', () => {
  const loaded = loadConfig({
    env: { GATEWAY_HASH: 'header:X-Tenant', GATEWAY_RETRY_STATUSES: '502, 503' },
    flags: {},
    readFile: () => ({
      kind: 'text',
      text: [
        'services: { a: { hash: cookie:Id, ejection: { baseMs: 5 } } }',
        'routes: [{ prefix: /a, service: a, hedgeAfterMs: 0, retry: { statuses: [503] } }]',
      ].join('\n'),
    }),
  });
  if (loaded.kind === 'invalid') throw new Error('invalid');
  const values = Object.fromEntries(describeConfig(loaded).map((row) => [row.path, row.value]));
  expect(values).toMatchObject({
    hash: 'header:x-tenant',
    'retry.statuses': '502, 503',
    'services.a.hash': 'cookie:Id',
    'services.a.ejection.baseMs': '5',
    'routes[0].hedgeAfterMs': '0',
    'routes[0].retry.statuses': '503',
  });
  expect(values).not.toHaveProperty(['services.a']);
});

it('shows no secret', () => {
  const loaded = loadConfig({
    env: { GATEWAY_STICKY_SECRET: 'canary-canary-canary', GATEWAY_ADMIN_TOKEN: 'canary-canary-canary' },
    flags: {},
    readFile: () => ({ kind: 'absent' }),
  });
  if (loaded.kind === 'invalid') throw new Error('invalid');
  expect(loaded.config.stickySecret).toBe('canary-canary-canary');
  const rows = describeConfig(loaded);
  expect(rows.find((row) => row.path === 'stickySecret')).toEqual({
    path: 'stickySecret',
    value: '(set)',
    origin: 'GATEWAY_STICKY_SECRET',
  });
  expect(rows.find((row) => row.path === 'admin.token')?.value).toBe('(set)');
  expect(formatConfig(rows)).not.toContain('canary');
});
