/** Runs so many things at a time, the rest in the order in which they came. */
export interface Slots {
  /** Runs `task` when there is a place; it must not reject. */
  take(task: () => Promise<void>): void;
  /** Drops what waits; resolves when what runs has ended. */
  stop(): Promise<void>;
}

/** `startsPerTurn`: in one turn of the event loop no more are begun, so that a crowd of them holds nobody else up. Default: no bound. */
export function createSlots(limit: number, startsPerTurn = Infinity): Slots {
  const running = new Set<Promise<void>>();
  // Taken in order from a Set, so that a long queue costs nothing per turn.
  const waiting = new Set<{ readonly task: () => Promise<void> }>();
  let phase: 'open' | 'stopped' = 'open';
  /** In this turn, while it is counted. */
  let begun = 0;
  let turn: NodeJS.Immediate | undefined;

  const start = (task: () => Promise<void>): void => {
    begun += 1;
    if (startsPerTurn !== Infinity) {
      turn ??= setImmediate(() => {
        turn = undefined;
        begun = 0;
        proceed();
      });
    }
    const run = task().finally(() => {
      running.delete(run);
      proceed();
    });
    running.add(run);
  };
  const proceed = (): void => {
    for (const next of waiting) {
      if (running.size >= limit || begun >= startsPerTurn) return;
      waiting.delete(next);
      start(next.task);
    }
  };
  return {
    take: (task) => {
      if (phase === 'stopped') return;
      waiting.add({ task });
      proceed();
    },
    stop: async () => {
      phase = 'stopped';
      waiting.clear();
      await Promise.all(running);
    },
  };
}
