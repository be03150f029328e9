import { openConnection, type ConnectionEvents, type LoadConnection } from './connection.ts';
import { requestBytes } from './load.ts';

/** How many of the connections are opening at a time. */
const concurrency = 64;
const deadlineMs = 30_000;

/** Connections that have had one answer each and now do nothing. */
export interface IdleConnections {
  /** How many of them are still open. */
  readonly open: number;
  close(): void;
}

/** Loopback addresses that the connections come from. */
const addresses = 8;

/**
 * Opens `count` keep-alive connections, a few at a time, and sends one GET on each. Resolves when all are answered; after 30 s,
 * with as many as there are by then.
 */
export function openIdle(port: number, path: string, count: number): Promise<IdleConnections> {
  const bytes = requestBytes(port, { path, uploadBytes: 0, connections: 1, connectionUse: 'kept' });
  const idle = new Set<LoadConnection>();
  const opening = new Set<LoadConnection>();
  let started = 0;
  let phase: 'opening' | 'done' = 'opening';

  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(deadline);
      phase = 'done';
      for (const connection of opening) connection.close();
      resolve({
        get open() {
          return idle.size;
        },
        close() {
          for (const connection of idle) connection.close();
          idle.clear();
        },
      });
    };
    const deadline = setTimeout(finish, deadlineMs);
    const next = (): void => {
      if (phase === 'done') return;
      if (started < count) {
        started += 1;
        // Many clients: one address may have a part of all connections only.
        opening.add(openConnection(port, events, `127.0.0.${2 + (started % addresses)}`));
      } else if (opening.size === 0) {
        finish();
      }
    };
    const events: ConnectionEvents = {
      onOpen: (connection) => {
        connection.send(bytes);
      },
      onAnswer(connection, status) {
        opening.delete(connection);
        if (status === 200) idle.add(connection);
        else connection.close();
        next();
      },
      onGone(connection) {
        opening.delete(connection);
        idle.delete(connection);
        next();
      },
    };
    for (let k = 0; k < Math.min(concurrency, count); k += 1) next();
  });
}
