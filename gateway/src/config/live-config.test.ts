import { expect, it } from 'vitest';

import { defaults } from './defaults.ts';
import type { GatewayConfig } from './gateway-config.ts';
import { createLiveConfig, reconfigurationText } from './live-config.ts';

const withConnectMs = (connectMs: number): GatewayConfig => ({
  ...defaults,
  timeouts: { ...defaults.timeouts, connectMs },
});

it('lets parts take over a configuration one after the other, and freezes it', async () => {
  const live = createLiveConfig(defaults);
  const heard: unknown[] = [];
  live.follow(async ({ timeouts }) => {
    await Promise.resolve();
    heard.push(`first ${timeouts.connectMs}`);
  });
  live.follow(({ timeouts }) => void heard.push(`second ${timeouts.connectMs}`));
  expect(await live.reconfigure(withConnectMs(7))).toMatchObject({ changed: ['timeouts.connectMs'] });
  expect(heard).toEqual(['first 7', 'second 7']);
  expect(Object.isFrozen(live.current.timeouts)).toBe(true);
});

it('tells no part of what is invalid, the same, or needs a restart', async () => {
  const live = createLiveConfig(defaults);
  live.follow(() => {
    throw new Error('not to be called');
  });
  expect(await live.reconfigure(withConnectMs(-1))).toMatchObject({ kind: 'invalid' });
  expect(await live.reconfigure(withConnectMs(defaults.timeouts.connectMs))).toMatchObject({ changed: [] });
  expect(await live.reconfigure({ ...defaults, engine: 'http-proxy' })).toMatchObject({
    needRestart: ['engine'],
  });
  expect(live.current).toEqual(defaults);
});

it('ends with the newest configuration when one comes while a part is busy with another', async () => {
  const live = createLiveConfig(defaults);
  const second: number[] = [];
  const held: (() => void)[] = [];
  live.follow(() => new Promise<void>((resolve) => held.push(resolve)));
  live.follow(({ timeouts }) => void second.push(timeouts.connectMs));
  const [one, two] = [live.reconfigure(withConnectMs(1)), live.reconfigure(withConnectMs(2))];
  for (const resolve of held.reverse()) resolve();
  await Promise.all([one, two]);
  expect(second).toEqual([2, 2]);
});

it('says what changed in a line', () => {
  expect(reconfigurationText({ kind: 'applied', changed: ['routes', 'services'], needRestart: [] })).toBe(
    'The configuration changed: routes, services.',
  );
  expect(reconfigurationText({ kind: 'applied', changed: [], needRestart: ['engine'] })).toBe(
    'Nothing changes now. These fields need a restart: engine.',
  );
  expect(reconfigurationText({ kind: 'applied', changed: [], needRestart: [] })).toBe(
    'The configuration is the same.',
  );
  expect(reconfigurationText({ kind: 'invalid', problems: [{ place: 'routes[1]', message: 'no' }] })).toBe(
    'Nothing was changed. The configuration has 1 problem:\n  routes[1]: no',
  );
});
