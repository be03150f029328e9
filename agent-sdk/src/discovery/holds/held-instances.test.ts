import { describe, expect, it } from 'vitest';

import type { Snapshot } from '../instance.ts';
import { fixedSnapshot } from '../snapshot.ts';
import {
  afterProbe,
  followHeld,
  noneHeld,
  withoutHeld,
  withProbe,
  type Held,
  type ProbeState,
} from './held-instances.ts';

const key = (port: number): string => `fixed/config/10.0.0.1:${port}`;

/** A snapshot of instances by their ports; `held` are among them. */
function snapshot(ports: readonly number[], held: readonly number[] = []): Snapshot {
  const base = fixedSnapshot(
    'api',
    ports.map((port) => ({ address: '10.0.0.1', port })),
  );
  return { ...base, held: held.map(key), ...(held.length > 0 ? { heldBecause: 'index' as const } : {}) };
}

const facts = { isUsed: () => true, nowMs: 1_000, holdMs: 30_000 };

describe('followHeld', () => {
  it('holds nothing of an ordinary snapshot', () => {
    expect(followHeld(noneHeld, snapshot([1, 2]), facts)).toEqual({
      held: noneHeld,
      added: [],
    });
  });

  it('takes note of what is held, once, with why and how long', () => {
    const first = followHeld(noneHeld, snapshot([1, 2, 3], [2, 3]), facts);
    expect(first.added.map(({ port }) => port)).toEqual([2, 3]);
    expect(first.held.rows.get(key(2))).toMatchObject({
      because: 'index',
      sinceMs: 1_000,
      untilMs: 31_000,
      probe: { kind: 'unknown' },
    });
    const second = followHeld(first.held, snapshot([1, 2, 3, 4], [2, 3]), { ...facts, nowMs: 5_000 });
    expect(second.added).toEqual([]);
    expect(second.held.rows.get(key(3))?.sinceMs).toBe(1_000);
  });

  it('leaves out what was let go, for as long as the watch holds it', () => {
    const { held } = followHeld(noneHeld, snapshot([1, 2, 3], [2, 3]), facts);
    const after = followHeld(withoutHeld(held, [key(2)]), snapshot([1, 2, 3], [2, 3]), facts);
    expect([...after.held.rows.keys()]).toEqual([key(3)]);
    const again = followHeld(after.held, snapshot([1, 2, 3, 4], [2, 3]), facts);
    expect([...again.held.letGo]).toEqual([key(2)]);
  });

  it('holds anew what was let go, listed again and taken away again', () => {
    let held: Held = withoutHeld(followHeld(noneHeld, snapshot([1], [1]), facts).held, [key(1)]);
    ({ held } = followHeld(held, snapshot([1], [1]), facts));
    ({ held } = followHeld(held, snapshot([1]), facts));
    const anew = followHeld(held, snapshot([1], [1]), facts);
    expect(anew.added).toHaveLength(1);
  });

  it('keeps what probes brought, and forgets it with the hold', () => {
    const { held } = followHeld(noneHeld, snapshot([1, 2], [2]), facts);
    const asked = withProbe(held, key(2), { kind: 'alive' });
    expect(followHeld(asked, snapshot([1, 2], [2]), facts).held.rows.get(key(2))?.probe).toEqual({
      kind: 'alive',
    });
    expect(withProbe(held, key(7), { kind: 'alive' })).toBe(held);
    expect(followHeld(asked, snapshot([1, 2]), facts).held).toEqual(noneHeld);
  });
});

describe('afterProbe', () => {
  const unknown: ProbeState = { kind: 'unknown' };

  it('lets go after two bad answers in a row', () => {
    const first = afterProbe(unknown, 'refused');
    expect(first).toEqual({
      state: { kind: 'failing', failures: 1, reason: 'refused' },
      next: { againInMs: 200 },
    });
    expect(afterProbe(first.state, 'refused').next).toBe('let_go');
  });

  it('forgives one bad answer, and goes on asking the living', () => {
    const { state } = afterProbe(unknown, 'timeout');
    const alive = afterProbe(state, undefined);
    expect(alive).toEqual({ state: { kind: 'alive' }, next: { againInMs: 1_000 } });
    expect(afterProbe(alive.state, 'refused').next).toEqual({ againInMs: 200 });
  });
});
