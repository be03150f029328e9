import { connect } from 'node:net';

import { eventually } from './eventually.ts';
import { rawPeer, type RawPeer } from './raw-peer.ts';
import { takeResponse, type RawResponse } from './raw-message.ts';

/** A peer that has connected, and reads responses. */
export interface RawClient extends RawPeer {
  /**
   * The next whole message of the answer, interim ones included; waits for it. `method` is that of the request it answers. A message
   * that ends with the connection is whole once that has ended.
   */
  response(method?: string, deadlineMs?: number): Promise<RawResponse>;
  /** Bytes received behind the messages taken so far. */
  rest(): string;
  /** Waits until the peer has ended or reset the connection, and tells which. */
  closed(deadlineMs?: number): Promise<'ended' | 'reset'>;
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
  const peer = rawPeer(socket);
  let taken = 0;
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return {
    ...peer,
    response: (method = 'GET', deadlineMs = 5_000) =>
      eventually(() => {
        const text = peer.received();
        const state = peer.state();
        const response = takeResponse(text.slice(taken), method, state === 'open' ? 'open' : 'closed');
        if (response === undefined) {
          throw new Error(
            `no whole response (${state}): ${JSON.stringify(text.slice(taken, taken + 2_000))}`,
          );
        }
        taken += response.length;
        return response;
      }, deadlineMs),
    rest: () => peer.received().slice(taken),
    closed: (deadlineMs = 5_000) =>
      eventually(() => {
        const state = peer.state();
        if (state === 'open')
          throw new Error(`still open; received ${JSON.stringify(peer.received().slice(-500))}`);
        return state;
      }, deadlineMs),
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
