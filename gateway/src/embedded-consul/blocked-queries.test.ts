import { describe, expect, it } from 'vitest';

import { createBlockedQueries } from './blocked-queries.ts';

describe('blocked queries', () => {
  it('are woken by their own topic', () => {
    const blocked = createBlockedQueries(10);
    const woken: string[] = [];
    blocked.add('service:a', () => woken.push('a'));
    blocked.add('kv', () => woken.push('kv'));
    blocked.notify('service:b');
    expect(woken).toEqual([]);
    blocked.notify('service:a');
    blocked.notify('kv');
    expect(woken).toEqual(['a', 'kv']);
  });

  it('may leave while they are being woken, and twice', () => {
    const blocked = createBlockedQueries(10);
    const leaves: (undefined | (() => void))[] = [];
    for (let i = 0; i < 3; i++) {
      leaves.push(
        blocked.add('services', () => {
          for (const leave of leaves) leave?.();
        }),
      );
    }
    blocked.notify('services');
    expect(blocked.size).toBe(0);
  });

  it('are bounded, and a place is free again when one leaves', () => {
    const blocked = createBlockedQueries(1);
    const leave = blocked.add('services', () => undefined);
    expect(blocked.add('services', () => undefined)).toBeUndefined();
    leave?.();
    expect(blocked.add('services', () => undefined)).toBeDefined();
  });
});
