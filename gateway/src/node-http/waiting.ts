import type { WaitStep } from '../exchange/seam.ts';
import type { TimeoutWheel } from '../proxy/timeout-wheel.ts';
import { WheelTimer } from './wheel-timer.ts';

/** An exchange in a queue, or in a pause. */
export interface Waiting {
  /** Nobody waits any more: `over` is not called from here on. Repeated calls do nothing. */
  end(): void;
}

/** Waits as the step says, and calls `over` once, from a stack of its own, unless it is ended before. */
export function startWaiting(
  wheel: TimeoutWheel,
  { timeoutMs, ticket }: WaitStep,
  over: (how: 'ready' | 'timeout') => void,
): Waiting {
  let state: 'waiting' | 'over' = 'waiting';
  const end = (): void => {
    state = 'over';
    timer.end();
  };
  const settle = (how: 'ready' | 'timeout'): void => {
    if (state === 'over') return;
    end();
    over(how);
  };
  const timer = new WheelTimer(wheel, () => {
    settle('timeout');
  });
  timer.set(timeoutMs);
  if (ticket !== undefined) {
    ticket.ready = () => {
      // Called by whoever has let go of a lease, in the middle of its own exchange.
      process.nextTick(settle, 'ready');
    };
  }
  return { end };
}
