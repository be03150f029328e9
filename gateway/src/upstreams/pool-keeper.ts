import { monotonicNow } from '../lifecycle/clock.ts';

/** Closes pooled connections to endpoints that are gone, soon after a change and once for many changes. */
export interface PoolKeeper {
  /** To be called after every change of a service's instances. */
  readonly serviceChanged: () => void;
  /** Ends the timer. */
  stop(): void;
}

/** Time between a change and the look at the pools. */
const delayMs = 250;
/** The pause before the next look, as a multiple of what the last one took: with thousands of instances a look takes milliseconds. */
const pauseFactor = 100;

/** See {@link PoolKeeper}. `closeIdle` does it. Ended by `stop`. */
export function createPoolKeeper(closeIdle: () => void): PoolKeeper {
  let timer: NodeJS.Timeout | undefined;
  let tookMs = 0;
  const look = (): void => {
    timer = undefined;
    const startedMs = monotonicNow();
    closeIdle();
    tookMs = monotonicNow() - startedMs;
  };
  return {
    serviceChanged: () => {
      timer ??= setTimeout(look, Math.max(delayMs, pauseFactor * tookMs)).unref();
    },
    stop: () => {
      clearTimeout(timer);
    },
  };
}
