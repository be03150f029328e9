import { connect } from 'node:net';

import { createResponseReader } from './response-reader.ts';

/** One client connection of a generator. It ends by `close`, or by itself when the peer ends or breaks it. */
export interface LoadConnection {
  /** Sends a request; one at a time. */
  send(bytes: Buffer): void;
  close(): void;
}

/** What becomes of a connection. */
export interface ConnectionEvents {
  readonly onOpen: (connection: LoadConnection) => void;
  readonly onAnswer: (connection: LoadConnection, status: number) => void;
  /** Once, unless `close` was called: it is gone, orderly or not. `pending`: a request on it was unanswered. */
  readonly onGone: (connection: LoadConnection, state: 'idle' | 'pending') => void;
}

/** Opens a connection to 127.0.0.1. */
export function openConnection(
  port: number,
  events: ConnectionEvents,
  localAddress = '127.0.0.1',
): LoadConnection {
  let state: 'idle' | 'pending' | 'closed' = 'idle';
  const reader = createResponseReader((status) => {
    if (state === 'closed') return;
    state = 'idle';
    events.onAnswer(connection, status);
  });
  const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
  const gone = (): void => {
    if (state === 'closed') return;
    const was = state;
    state = 'closed';
    socket.destroy();
    events.onGone(connection, was);
  };
  const connection: LoadConnection = {
    send(bytes) {
      state = 'pending';
      socket.write(bytes);
    },
    close() {
      state = 'closed';
      socket.destroy();
    },
  };
  socket.on('connect', () => {
    events.onOpen(connection);
  });
  socket.on('data', (chunk) => {
    try {
      reader.read(chunk);
    } catch {
      gone();
    }
  });
  socket.on('error', gone);
  socket.on('close', gone);
  return connection;
}
