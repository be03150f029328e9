/**
 * How long the event loop of this process did not run. After a stall all timeouts of the gateway expire at once, although the answers have
 * arrived in the kernel: they say nothing about the instances.
 */
export interface EventLoopWatch {
  /**
   * Milliseconds lost to stalls since the start, the present one included. It never falls: the difference of two readings is the time lost
   * between them.
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
  /** Time between two samples; a shorter delay is no stall. Default: 20. */
  readonly periodMs?: number;
}

const usualPeriodMs = 20;

/** Starts watching; its timer does not keep the process alive. */
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
