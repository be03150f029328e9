import { openConnection, type LoadConnection } from './load/connection.ts';
import { requestBytes } from './load/load.ts';

/** A client that always has a request under way on each of its connections. Ends by `stop`. */
export interface Poller {
  /** Answers so far; `failed`: those other than 200, and connections that broke. */
  readonly counts: { readonly answered: number; readonly failed: number };
  stop(): void;
}

/** Starts polling a path of 127.0.0.1; connections that break are opened again. */
export function startPoller(port: number, path: string, connections: number): Poller {
  const bytes = requestBytes(port, { path, uploadBytes: 0, connections: 1, connectionUse: 'kept' });
  const counts = { answered: 0, failed: 0 };
  let phase: 'running' | 'over' = 'running';
  const current = new Set<LoadConnection>();
  const open = (): void => {
    const opened = openConnection(port, {
      onOpen: (connection) => {
        connection.send(bytes);
      },
      onAnswer(connection, status) {
        counts.answered += 1;
        if (status !== 200) counts.failed += 1;
        connection.send(bytes);
      },
      onGone(connection) {
        current.delete(connection);
        counts.failed += 1;
        if (phase === 'running') setTimeout(open, 1);
      },
    });
    current.add(opened);
  };
  for (let count = 0; count < connections; count += 1) open();
  return {
    counts,
    stop() {
      phase = 'over';
      for (const connection of current) connection.close();
    },
  };
}
