/**
 * How long this process itself did not run. A gateway that stalls sees all of its timeouts at once, though the answers lie in the
 * kernel: what happened meanwhile says nothing about anybody else.
 */
export interface EventLoopWatch {
  /**
   * Milliseconds lost to stalls since the start, the present one included; only ever grows. The difference of two readings is what
   * was lost between them.
   */
  lostMs(): number;
  /** The longest stall since the last call, for a gauge. */
  takeLongestMs(): number;
  /** Ends the timer. */
  stop(): void;
}

export interface EventLoopWatchOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** How often it looks; a stall shorter than this is not one. */
  readonly periodMs?: number;
}

const usualPeriodMs = 20;

/** Starts watching; keeps no process alive by itself. */
export function watchEventLoop({ now, periodMs = usualPeriodMs }: EventLoopWatchOptions): EventLoopWatch {
  let dueMs = now() + periodMs;
  let lost = 0;
  let longest = 0;
  const late = (): number => {
    const lateMs = now() - dueMs;
    return lateMs > periodMs ? lateMs : 0;
  };
  const timer = setInterval(() => {
    const lateMs = late();
    lost += lateMs;
    longest = Math.max(longest, lateMs);
    dueMs = now() + periodMs;
  }, periodMs).unref();
  return {
    lostMs: () => lost + late(),
    takeLongestMs: () => {
      const taken = Math.max(longest, late());
      longest = 0;
      return taken;
    },
    stop: () => {
      clearInterval(timer);
    },
  };
}
