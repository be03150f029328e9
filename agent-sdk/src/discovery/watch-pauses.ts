import { setTimeout as delay } from 'node:timers/promises';

import type { WakeList } from './wake-list.ts';

/** What a watch waits with. */
export interface PauseOptions {
  /** Waits; may reject or resolve early when the signal aborts. Default: a timer. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
  /**
   * Shared by the watches of one registry: woken by the first that gets through after a failure. One of them looks often; the others may then
   * back off far without sleeping through the end of an outage. Default: none.
   */
  readonly recovery?: WakeList;
}

/** The pauses of one watch; all end with its signal. */
export interface Pauses {
  plain(ms: number): Promise<void>;
  /** Ends early when another watch has got through: then after a part of {@link wakeSpreadMs} only. `random` is in [0, 1). */
  afterFailure(ms: number, random: number): Promise<void>;
}

/** Over how long the watches of a process spread when all are woken at once. */
export const wakeSpreadMs = 250;

const notified = 'the registry answers again';

export function createPauses(options: PauseOptions, signal: AbortSignal): Pauses {
  const { recovery } = options;
  const sleep =
    options.sleep ?? ((ms: number, until: AbortSignal) => delay(ms, undefined, { signal: until }));

  const plain = async (ms: number, until: AbortSignal = signal): Promise<void> => {
    try {
      await sleep(ms, until);
    } catch (error) {
      if (!until.aborted) throw error;
    }
  };

  return {
    plain,
    async afterFailure(ms, random) {
      if (recovery === undefined) return plain(ms);
      const end = new AbortController();
      const finish = (): void => {
        end.abort();
      };
      const forget = recovery.onWake(() => {
        end.abort(notified);
      });
      signal.addEventListener('abort', finish, { once: true });
      if (!signal.aborted) await plain(ms, end.signal);
      signal.removeEventListener('abort', finish);
      forget();
      // Hundreds of watches get the same signal; their reads are spread, to spare the registry that has just come back.
      if (end.signal.reason === notified) await plain(random * wakeSpreadMs);
    },
  };
}
