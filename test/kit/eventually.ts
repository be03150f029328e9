import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Calls `attempt` every `pollMs` (default 5) until it returns without throwing, and passes its value on. When that has not happened
 * within `deadlineMs` (default 5,000), it throws what the last try threw. For tests on real time.
 */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  deadlineMs = 5000,
  pollMs = 5,
): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() >= deadline) throw error;
    }
    await sleep(pollMs);
  }
}
