/** A part of a running system. A part without `start` or `stop` has nothing to do then. */
export interface Part {
  /** Stands in the report of a part that can't stop. */
  readonly name: string;
  /** Resolves when the part runs. A part that rejects has ended what it had begun; its `stop` is not called. */
  start?(): Promise<void>;
  /** Resolves when nothing of the part is left. */
  stop?(): Promise<void>;
}

/** Parts that are started and stopped as one. */
export interface Parts {
  /** `starting` until every part runs, `draining` from {@link Parts.stop} on. */
  readonly phase: 'starting' | 'serving' | 'draining';
  /** Starts one part after the other. When one rejects, those before it are stopped and the promise rejects with its error. Once. */
  start(parts: readonly Part[]): Promise<void>;
  /** Stops the parts in reverse order. Called again it returns the same promise. Never rejects. */
  stop(): Promise<void>;
}

/**
 * See {@link Parts}. `onFault` hears of a part whose `stop` rejected, which is a mistake of the part; the others are stopped all the
 * same.
 */
export function createParts(onFault: (part: string, error: unknown) => void): Parts {
  const running: Part[] = [];
  let phase: Parts['phase'] = 'starting';
  let stopped: Promise<void> | undefined;

  const stop = async (): Promise<void> => {
    phase = 'draining';
    for (let part = running.pop(); part !== undefined; part = running.pop()) {
      try {
        await part.stop?.();
      } catch (error) {
        onFault(part.name, error);
      }
    }
  };

  return {
    get phase() {
      return phase;
    },
    async start(parts) {
      try {
        for (const part of parts) {
          await part.start?.();
          running.push(part);
        }
        phase = 'serving';
      } catch (error) {
        await (stopped ??= stop());
        throw error;
      }
    },
    stop: () => (stopped ??= stop()),
  };
}
