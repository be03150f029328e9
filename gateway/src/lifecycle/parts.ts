/** A part of a running system. */
export interface Part<T> {
  /** Stands in the report of a part that can't stop. */
  readonly name: string;
  /** Resolves when the part runs. A part that rejects has ended what it had begun; its `stop` is not called. */
  readonly start: () => Promise<T>;
  /** Resolves when nothing of the part is left. */
  readonly stop: () => Promise<void>;
}

/** Parts that are started one after the other and stopped in reverse order. */
export interface Parts {
  /** `starting` until {@link Parts.started}, `draining` from {@link Parts.stop} on. */
  readonly phase: 'starting' | 'serving' | 'draining';
  /** Starts a part, and resolves with what its `start` does. When that rejects, the parts before it are stopped first. */
  start<T>(part: Part<T>): Promise<T>;
  /** Every part runs. */
  started(): void;
  /** Stops the parts in reverse order, when none is being started. Called again it returns the same promise. Never rejects. */
  stop(): Promise<void>;
}

/**
 * See {@link Parts}. `onFault` is called for a part whose `stop` rejected, which is a mistake of the part; the others are still stopped.
 */
export function createParts(onFault: (part: string, error: unknown) => void): Parts {
  const running: Part<unknown>[] = [];
  let phase: Parts['phase'] = 'starting';
  let stopped: Promise<void> | undefined;

  const stopAll = async (): Promise<void> => {
    phase = 'draining';
    for (let part = running.pop(); part !== undefined; part = running.pop()) {
      try {
        await part.stop();
      } catch (error) {
        onFault(part.name, error);
      }
    }
  };
  const stop = (): Promise<void> => (stopped ??= stopAll());

  return {
    get phase() {
      return phase;
    },
    async start(part) {
      try {
        const result = await part.start();
        running.push(part);
        return result;
      } catch (error) {
        await stop();
        throw error;
      }
    },
    started: () => {
      phase = 'serving';
    },
    stop,
  };
}

/** A part that runs until its signal aborts; its `stop` aborts it and waits until it has ended. */
export function partUntilStopped(name: string, run: (signal: AbortSignal) => Promise<unknown>): Part<void> {
  const end = new AbortController();
  let running: Promise<unknown> = Promise.resolve();
  return {
    name,
    start: () => {
      running = run(end.signal);
      return Promise.resolve();
    },
    stop: async () => {
      end.abort();
      await running;
    },
  };
}
