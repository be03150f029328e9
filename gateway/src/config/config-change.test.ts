import { describe, expect, it } from 'vitest';

import { checkConfig } from './check-config.ts';
import { configChange } from './config-change.ts';
import { defaults } from './defaults.ts';
import type { GatewayConfig } from './gateway-config.ts';
import { loadConfig } from './load-config.ts';

describe('configChange', () => {
  it('finds nothing between equal configurations', () => {
    expect(configChange(defaults, structuredClone(defaults))).toMatchObject({ applied: [], needRestart: [] });
  });

  it('lists what changes, and keeps the values of fields that need a restart', () => {
    const next: GatewayConfig = {
      ...defaults,
      listen: { host: '127.0.0.1', port: 9_999 },
      timeouts: { ...defaults.timeouts, connectMs: 7 },
      retry: { ...defaults.retry, attempts: 5, replayBytes: 1 },
      routes: defaults.routes.slice(1),
      services: [{ service: 'api-service', instances: undefined, settings: { sticky: 'cookie' } }],
    };
    const { config, applied, needRestart } = configChange(defaults, next);
    expect(applied).toEqual(['timeouts.connectMs', 'retry.attempts', 'routes', 'services']);
    expect(needRestart).toEqual(['listen.host', 'listen.port', 'retry.replayBytes']);
    expect(config).toEqual({
      ...next,
      listen: defaults.listen,
      retry: { ...next.retry, replayBytes: defaults.retry.replayBytes },
    });
  });
});

describe('checkConfig', () => {
  it('takes the defaults, and all that a file can hold, as they are', () => {
    const text = [
      'hash: "header:X-Cart"',
      'routes: [{ prefix: /a/b, host: "*.a.example", service: a, strip: /a, timeouts: { tryMs: 5 }, hedgeAfterMs: 1 }]',
      'services: { a: { instances: ["[fd00::1]:80", "10.0.0.1:80"], hash: "cookie:k", checks: { kind: tcp } }, b: { sticky: cookie } }',
    ].join('\n');
    const loaded = loadConfig({ env: {}, flags: {}, readFile: () => ({ kind: 'text', text }) });
    if (loaded.kind === 'invalid') throw new Error(JSON.stringify(loaded.problems));
    for (const config of [loaded.config, defaults])
      expect(checkConfig(config)).toEqual({ kind: 'config', config });
  });

  it('brings values into normal form', () => {
    expect(checkConfig({ ...defaults, trustedProxies: ['10.1.2.3/8'] })).toMatchObject({
      config: { trustedProxies: ['10.0.0.0/8'] },
    });
  });

  it('finds values that break a rule, routes that are there twice, and settings that contradict each other', () => {
    const [route] = defaults.routes;
    const problems = (change: Partial<GatewayConfig>): unknown => {
      const checked = checkConfig({ ...defaults, ...change });
      return checked.kind === 'invalid' ? checked.problems : [];
    };
    expect(problems({ trustedProxies: ['10.0.0.0/33'], panicRatio: Number.NaN })).toMatchObject([
      { place: 'trustedProxies[0]' },
      { place: 'panicRatio' },
    ]);
    expect(problems({ routes: [route!, route!] })).toEqual([
      { place: 'routes[1]', message: 'claims /api again; routes[0] has it already' },
    ]);
    expect(problems({ timeouts: { ...defaults.timeouts, tryMs: 2, totalMs: 1 } })).toMatchObject([
      { place: 'timeouts.tryMs' },
    ]);
  });
});
