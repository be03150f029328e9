import { describe, expect, it } from 'vitest';

import { createWaiters } from './waiters.ts';

describe('blocked queries', () => {
  it('are woken by their own topic and, for keys, by what concerns them', () => {
    const waiters = createWaiters(10);
    const woken: string[] = [];
    waiters.add({ topic: 'service:a' }, () => woken.push('a'));
    waiters.add({ topic: 'kv', concerns: (key) => key.startsWith('x/') }, () => woken.push('x/'));
    waiters.notify('service:b');
    waiters.notify('kv', 'y');
    expect(woken).toEqual([]);
    waiters.notify('service:a');
    waiters.notify('kv', 'x/1');
    expect(woken).toEqual(['a', 'x/']);
  });

  it('may leave while they are being woken, and twice', () => {
    const waiters = createWaiters(10);
    const leaves: (undefined | (() => void))[] = [];
    for (let i = 0; i < 3; i++) {
      leaves.push(
        waiters.add({ topic: 'services' }, () => {
          for (const leave of leaves) leave?.();
        }),
      );
    }
    waiters.notify('services');
    expect(waiters.size).toBe(0);
  });

  it('are bounded, and a place is free again when one leaves', () => {
    const waiters = createWaiters(1);
    const leave = waiters.add({ topic: 'services' }, () => undefined);
    expect(waiters.add({ topic: 'services' }, () => undefined)).toBeUndefined();
    leave?.();
    expect(waiters.add({ topic: 'services' }, () => undefined)).toBeDefined();
  });
});
