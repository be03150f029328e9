import { connect, type Socket } from 'node:net';

import { eventually } from './eventually.ts';
import { takeResponse, type RawResponse } from './raw-message.ts';

/** A client that sends exactly the bytes it is given and keeps exactly the bytes it gets. Text is latin1. */
export interface RawClient {
  readonly socket: Socket;
  send(bytes: string | Buffer): void;
  /** Everything received so far. */
  received(): string;
  /**
   * The next whole message of the answer, interim ones included; waits for it. `method` is that of the request it answers. A message
   * that ends with the connection is whole once that has ended.
   */
  response(method?: string, deadlineMs?: number): Promise<RawResponse>;
  /** Bytes received behind the messages taken so far. */
  rest(): string;
  /** Waits until the peer has ended or reset the connection, and tells which. */
  closed(deadlineMs?: number): Promise<'ended' | 'reset'>;
  state(): 'open' | 'ended' | 'reset';
  /** Ends the sending direction. */
  end(): void;
  /** Leaves: closes the connection. */
  destroy(): void;
  /** Leaves with a reset. */
  reset(): void;
}

/** Connects to a port of this machine. `allowHalfOpen` keeps the sending direction open after the peer has ended its own. */
export async function openRawClient(port: number, host = '127.0.0.1'): Promise<RawClient> {
  const socket = connect({ port, host, allowHalfOpen: true, noDelay: true });
  let text = '';
  let taken = 0;
  let state: 'open' | 'ended' | 'reset' = 'open';
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => (text += chunk));
  socket.on('end', () => (state = 'ended'));
  socket.on('error', () => (state = 'reset'));
  socket.on('close', () => {
    if (state === 'open') state = 'reset';
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return {
    socket,
    send: (bytes) => socket.write(bytes, 'latin1'),
    received: () => text,
    response: (method = 'GET', deadlineMs = 5_000) =>
      eventually(() => {
        const ending = state === 'open' ? 'open' : 'closed';
        const response = takeResponse(text.slice(taken), method, ending);
        if (response === undefined) {
          throw new Error(
            `no whole response (${state}): ${JSON.stringify(text.slice(taken, taken + 2_000))}`,
          );
        }
        taken += response.length;
        return response;
      }, deadlineMs),
    rest: () => text.slice(taken),
    closed: (deadlineMs = 5_000) =>
      eventually(() => {
        if (state === 'open') throw new Error(`still open; received ${JSON.stringify(text.slice(-500))}`);
        return state;
      }, deadlineMs),
    state: () => state,
    end: () => {
      socket.end();
    },
    destroy: () => {
      socket.destroy();
    },
    reset: () => {
      socket.resetAndDestroy();
    },
  };
}

/** Sends one request on a connection of its own and gives the final response. */
export async function rawExchange(port: number, request: string, method = 'GET'): Promise<RawResponse> {
  const client = await openRawClient(port);
  try {
    client.send(request);
    for (;;) {
      const response = await client.response(method);
      if (response.status >= 200) return response;
    }
  } finally {
    client.destroy();
  }
}
