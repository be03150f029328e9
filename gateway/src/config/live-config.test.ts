import { expect, it } from 'vitest';

import { defaults } from './defaults.ts';
import type { GatewayConfig } from './gateway-config.ts';
import { createLiveConfig, type Provisioned } from './live-config.ts';

const withConnectMs = (connectMs: number): GatewayConfig => ({
  ...defaults,
  timeouts: { ...defaults.timeouts, connectMs },
});

/** A part that writes down what happens to it. */
function part(name: string, heard: string[], more: Partial<Provisioned> = {}) {
  return ({ timeouts }: GatewayConfig): Provisioned => {
    heard.push(`${name} provisions ${timeouts.connectMs}`);
    return {
      swap: () => void heard.push(`${name} swaps ${timeouts.connectMs}`),
      discard: () => void heard.push(`${name} discards ${timeouts.connectMs}`),
      ...more,
    };
  };
}

it('provisions in all parts before it swaps in any, and freezes the configuration', async () => {
  const live = createLiveConfig(defaults);
  const heard: string[] = [];
  live.follow(async (next) => {
    await Promise.resolve();
    return part('first', heard)(next);
  });
  live.follow(part('second', heard));
  expect(await live.apply(withConnectMs(7))).toMatchObject({ changed: ['timeouts.connectMs'] });
  expect(heard).toEqual(['first provisions 7', 'second provisions 7', 'first swaps 7', 'second swaps 7']);
  expect(Object.isFrozen(live.current.timeouts)).toBe(true);
});

it('tells no part of what is the same or needs a restart', async () => {
  const live = createLiveConfig(defaults);
  live.follow(() => {
    throw new Error('not to be called');
  });
  expect(await live.apply(withConnectMs(defaults.timeouts.connectMs))).toMatchObject({ changed: [] });
  expect(await live.apply({ ...defaults, engine: 'http-proxy' })).toMatchObject({ needRestart: ['engine'] });
  expect(live.current).toEqual(defaults);
});

it('discards what was made ready when a part can not have what it needs, and goes on as before', async () => {
  const live = createLiveConfig(defaults);
  const heard: string[] = [];
  live.follow(part('first', heard));
  live.follow(part('second', heard));
  live.follow(() => Promise.reject(new Error('the certificate expired')));
  expect(await live.apply(withConnectMs(7))).toEqual({ kind: 'failed', reason: 'the certificate expired' });
  expect(heard.slice(2)).toEqual(['second discards 7', 'first discards 7']);
  expect(live.current).toBe(defaults);
});

it('goes back in all parts when one makes a mistake as it swaps', async () => {
  const live = createLiveConfig(defaults);
  const heard: string[] = [];
  const was = defaults.timeouts.connectMs;
  live.follow(part('first', heard));
  live.follow((next) =>
    part('second', heard, next.timeouts.connectMs === 7 ? { swap: () => JSON.parse('') as never } : {})(next),
  );
  expect(await live.apply(withConnectMs(7))).toMatchObject({ kind: 'failed' });
  expect(heard.slice(-2)).toEqual([`first swaps ${was}`, `second swaps ${was}`]);
  expect([live.current, live.isSwapping]).toEqual([defaults, false]);
});
