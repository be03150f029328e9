/** Runs so many things at a time, the rest in the order in which they came. */
export interface Slots {
  /** Runs `task` when there is a place; it must not reject. */
  take(task: () => Promise<void>): void;
  /** Drops what waits; resolves when what runs has ended. */
  stop(): Promise<void>;
}

export function createSlots(limit: number): Slots {
  const running = new Set<Promise<void>>();
  // Taken in order from a Set, so that a long queue costs nothing per turn.
  const waiting = new Set<{ readonly task: () => Promise<void> }>();
  let phase: 'open' | 'stopped' = 'open';

  const start = (task: () => Promise<void>): void => {
    const run = task().finally(() => {
      running.delete(run);
      const [next] = waiting;
      if (next === undefined) return;
      waiting.delete(next);
      start(next.task);
    });
    running.add(run);
  };
  return {
    take: (task) => {
      if (phase === 'stopped') return;
      if (running.size < limit) start(task);
      else waiting.add({ task });
    },
    stop: async () => {
      phase = 'stopped';
      waiting.clear();
      await Promise.all(running);
    },
  };
}
