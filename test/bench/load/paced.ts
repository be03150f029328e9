import { percentile } from '../statistics.ts';
import { openConnection, type ConnectionEvents, type LoadConnection } from './connection.ts';
import { requestBytes, type LoadRequest, type LoadResult } from './load.ts';

/** After the last request was due, answers are waited for this long. */
const patienceMs = 1_000;

/**
 * An open loop: requests become due at a fixed rate, whether or not earlier ones are answered, in the manner of wrk2. Latency counts
 * from the millisecond tick at which a request was due, so time spent waiting for a free connection is part of it. What is unanswered a
 * second after the end counts as an error. Every connection is open before the clock starts; all are closed at the end.
 */
export async function paced(
  port: number,
  request: LoadRequest,
  { ratePerSecond, durationMs }: { readonly ratePerSecond: number; readonly durationMs: number },
): Promise<LoadResult> {
  const bytes = requestBytes(port, request);
  const latenciesUs: number[] = [];
  const all = new Set<LoadConnection>();
  const free: LoadConnection[] = [];
  const dueAtMs = new Map<LoadConnection, number>();
  const waiting: number[] = [];
  let waitingFrom = 0;
  let errors = 0;
  let lastAnswerMs = 0;
  let opened: () => void = () => undefined;

  const send = (connection: LoadConnection, dueMs: number): void => {
    dueAtMs.set(connection, dueMs);
    connection.send(bytes);
  };
  const release = (connection: LoadConnection): void => {
    const next = waiting[waitingFrom];
    if (next === undefined) {
      free.push(connection);
      return;
    }
    waitingFrom += 1;
    send(connection, next);
  };
  const events: ConnectionEvents = {
    onOpen(connection) {
      all.add(connection);
      release(connection);
      if (all.size >= request.connections) opened();
    },
    onAnswer(connection, status) {
      lastAnswerMs = performance.now();
      if (status === 200) latenciesUs.push((lastAnswerMs - (dueAtMs.get(connection) ?? lastAnswerMs)) * 1000);
      else errors += 1;
      dueAtMs.delete(connection);
      if (request.connectionUse === 'kept') {
        release(connection);
        return;
      }
      connection.close();
      all.delete(connection);
      if (phase !== 'over') openConnection(port, events);
    },
    onGone(connection, state) {
      // One that was never used is closed by some proxies after a while; that is no failed request.
      if (state === 'pending') errors += 1;
      all.delete(connection);
      dueAtMs.delete(connection);
      const at = free.indexOf(connection);
      if (at !== -1) free.splice(at, 1);
      if (phase !== 'over') openConnection(port, events);
    },
  };

  let phase: 'opening' | 'running' | 'over' = 'opening';
  await new Promise<void>((resolve) => {
    const deadline = setTimeout(resolve, 5_000);
    opened = () => {
      clearTimeout(deadline);
      resolve();
    };
    for (let count = 0; count < request.connections; count += 1) openConnection(port, events);
  });
  phase = 'running';

  const startedMs = performance.now();
  const total = Math.round((durationMs / 1000) * ratePerSecond);
  let sent = 0;
  lastAnswerMs = startedMs;
  await new Promise<void>((resolve) => {
    const tick = (): void => {
      const nowMs = performance.now();
      const due = Math.min(total, Math.floor(((nowMs - startedMs) / 1000) * ratePerSecond));
      for (; sent < due; sent += 1) {
        const connection = free.pop();
        if (connection === undefined) waiting.push(nowMs);
        else send(connection, nowMs);
      }
      const answered = latenciesUs.length + errors >= total;
      if (sent >= total && (answered || nowMs - startedMs > durationMs + patienceMs)) resolve();
      else setTimeout(tick, 1);
    };
    tick();
  });
  phase = 'over';
  for (const connection of all) connection.close();
  return {
    requests: latenciesUs.length,
    elapsedMs: Math.max(1, lastAnswerMs - startedMs),
    p50Us: percentile(latenciesUs, 0.5),
    p99Us: percentile(latenciesUs, 0.99),
    errors: Math.max(errors, total - latenciesUs.length),
  };
}
