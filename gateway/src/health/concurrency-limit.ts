/** Bounds how many tasks run at a time; the others wait in the order in which they came. */
export interface ConcurrencyLimit {
  /** Runs `task` as soon as the limit allows, and settles as it does; `undefined` when `stop` came before it began. */
  run<T>(task: () => Promise<T>): Promise<T | undefined>;
  /** Drops the waiting tasks; resolves when the running ones have ended. */
  stop(): Promise<void>;
}

interface WaitingTask {
  /** Never rejects. */
  readonly start: () => Promise<void>;
  readonly drop: () => void;
}

/** At most `startsPerTurn` tasks begin in one turn of the event loop, so that a burst of them does not delay other work. */
export function createConcurrencyLimit(limit: number, startsPerTurn = Infinity): ConcurrencyLimit {
  const running = new Set<Promise<void>>();
  // A Set keeps the order and gives up its first entry in O(1).
  const waiting = new Set<WaitingTask>();
  let stopped = false;
  let startedInTurn = 0;
  let nextTurn: NodeJS.Immediate | undefined;

  const start = (task: WaitingTask): void => {
    startedInTurn += 1;
    if (startsPerTurn !== Infinity) {
      nextTurn ??= setImmediate(() => {
        nextTurn = undefined;
        startedInTurn = 0;
        proceed();
      });
    }
    const run = task.start().finally(() => {
      running.delete(run);
      proceed();
    });
    running.add(run);
  };
  const proceed = (): void => {
    for (const task of waiting) {
      if (running.size >= limit || startedInTurn >= startsPerTurn) return;
      waiting.delete(task);
      start(task);
    }
  };
  return {
    run: (task) =>
      new Promise((resolve, reject) => {
        const drop = (): void => {
          resolve(undefined);
        };
        if (stopped) {
          drop();
          return;
        }
        waiting.add({ start: () => task().then(resolve, reject), drop });
        proceed();
      }),
    stop: async () => {
      stopped = true;
      for (const { drop } of waiting) drop();
      waiting.clear();
      await Promise.all(running);
    },
  };
}
