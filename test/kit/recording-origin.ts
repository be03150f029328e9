import { createServer, type AddressInfo, type Socket } from 'node:net';

import { takeRequests, type RawRequest } from './raw-message.ts';

/** One connection to the origin: the exact bytes that came, and the means to answer byte by byte. Text is latin1. */
export interface OriginConnection {
  readonly socket: Socket;
  /** Everything received so far. */
  received(): string;
  /** The whole requests in it by a strict reading, which throws on anything else. */
  requests(): readonly RawRequest[];
  /** Bytes behind the last whole request. */
  rest(): string;
  state(): 'open' | 'ended' | 'closed';
  write(bytes: string | Buffer): void;
  /** Writes and ends the sending direction. */
  end(bytes?: string): void;
  destroy(): void;
  reset(): void;
}

/** What the origin does. Nothing happens beside it: no answer, no close. */
export interface OriginScript {
  readonly connected?: (connection: OriginConnection) => void;
  /** When the gateway has ended its direction; without it the origin ends its own. */
  readonly ended?: (connection: OriginConnection) => void;
  /** Each time bytes have come. */
  readonly data?: (connection: OriginConnection) => void;
  /** For each whole request, in order; `index` counts per connection. A returned text is written. */
  readonly request?: (request: RawRequest, connection: OriginConnection, index: number) => string | undefined;
}

export interface RecordingOrigin {
  readonly port: number;
  /** Every connection ever, in order. */
  readonly connections: readonly OriginConnection[];
  /** All whole requests on all connections. */
  requests(): readonly RawRequest[];
  /** Connections that are open now. */
  open(): number;
  /** Replaces the script. */
  play(script: OriginScript): void;
  close(): Promise<void>;
}

/** An answer with a length, for scripts. */
export function ok(body = 'ok', fields = ''): string {
  return `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
}

/** Starts an origin on a free port of 127.0.0.1. Without a script it answers every whole request with 200 and "ok". */
export async function startRecordingOrigin(
  script: OriginScript = { request: () => ok() },
): Promise<RecordingOrigin> {
  let playing = script;
  const connections: OriginConnection[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    let text = '';
    let answered = 0;
    let state: 'open' | 'ended' | 'closed' = 'open';
    const connection: OriginConnection = {
      socket,
      received: () => text,
      requests: () => takeRequests(text).requests,
      rest: () => takeRequests(text).rest,
      state: () => state,
      write: (bytes) => socket.write(bytes, 'latin1'),
      end: (bytes = '') => socket.end(bytes, 'latin1'),
      destroy: () => socket.destroy(),
      reset: () => socket.resetAndDestroy(),
    };
    connections.push(connection);
    socket.setEncoding('latin1');
    socket.on('error', () => undefined);
    socket.on('end', () => {
      if (state === 'open') state = 'ended';
      if (playing.ended === undefined) socket.end();
      else playing.ended(connection);
    });
    socket.on('close', () => (state = 'closed'));
    socket.on('data', (chunk: string) => {
      text += chunk;
      playing.data?.(connection);
      if (playing.request === undefined) return;
      for (const request of takeRequests(text).requests.slice(answered)) {
        const answer = playing.request(request, connection, answered);
        answered += 1;
        if (typeof answer === 'string') connection.write(answer);
      }
    });
    playing.connected?.(connection);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    requests: () => connections.flatMap((connection) => connection.requests()),
    open: () => connections.filter((connection) => connection.state() !== 'closed').length,
    play: (next) => {
      playing = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        for (const connection of connections) connection.destroy();
      }),
  };
}
