import { percentile } from '../statistics.ts';
import { openConnection, type ConnectionEvents, type LoadConnection } from './connection.ts';
import { requestBytes, type LoadRequest, type LoadResult } from './load.ts';

/** How long to wait before a broken connection is replaced; a proxy that refuses everything must not spin us. */
const reconnectMs = 10;

/**
 * The generator for machines without wrk: every connection sends the next request as soon as the last one is answered, for
 * `durationMs`. Ends with its last connection closed.
 */
export function closedLoop(port: number, request: LoadRequest, durationMs: number): Promise<LoadResult> {
  const bytes = requestBytes(port, request);
  const latenciesUs: number[] = [];
  const sentAtMs = new Map<LoadConnection, number>();
  const timers = new Set<NodeJS.Timeout>();
  let errors = 0;
  let phase: 'running' | 'over' = 'running';

  const send = (connection: LoadConnection): void => {
    sentAtMs.set(connection, performance.now());
    connection.send(bytes);
  };
  const replace = (delayMs: number): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      if (phase === 'running') open();
    }, delayMs);
    timers.add(timer);
  };
  const events: ConnectionEvents = {
    onOpen: send,
    onAnswer(connection, status) {
      const nowMs = performance.now();
      if (status === 200) latenciesUs.push((nowMs - (sentAtMs.get(connection) ?? nowMs)) * 1000);
      else errors += 1;
      if (request.connectionUse === 'kept') {
        send(connection);
        return;
      }
      sentAtMs.delete(connection);
      connection.close();
      open();
    },
    onGone(connection) {
      errors += 1;
      sentAtMs.delete(connection);
      replace(reconnectMs);
    },
  };
  const open = (): void => {
    sentAtMs.set(openConnection(port, events), performance.now());
  };

  return new Promise((resolve) => {
    const startedMs = performance.now();
    for (let count = 0; count < request.connections; count += 1) open();
    setTimeout(() => {
      phase = 'over';
      for (const timer of timers) clearTimeout(timer);
      for (const connection of sentAtMs.keys()) connection.close();
      resolve({
        requests: latenciesUs.length,
        elapsedMs: performance.now() - startedMs,
        p50Us: percentile(latenciesUs, 0.5),
        p99Us: percentile(latenciesUs, 0.99),
        errors,
      });
    }, durationMs);
  });
}
