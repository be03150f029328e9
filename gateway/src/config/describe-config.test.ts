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
