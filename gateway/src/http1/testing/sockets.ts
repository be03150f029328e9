import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { eventually } from '../../../../test/kit/eventually.ts';

/** A peer on a raw socket that remembers every byte it got. */
export interface RawPeer {
  readonly socket: Socket;
  /** Everything received so far, latin1. */
  readonly text: string;
  /** How the other side ended: `fin`, `reset`, or not yet. */
  readonly end: 'open' | 'fin' | 'reset';
  send(text: string | Buffer): void;
  /** Resolves with everything received once it satisfies `when`. */
  received(when: string | RegExp | ((text: string) => boolean)): Promise<string>;
  /** Resolves with everything received once the other side has ended. */
  ended(): Promise<string>;
  forget(): void;
}

export function rawPeer(socket: Socket): RawPeer {
  let text = '';
  let end: RawPeer['end'] = 'open';
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1');
  });
  socket.on('end', () => {
    end = 'fin';
  });
  socket.on('error', () => {
    end = 'reset';
  });
  socket.on('close', () => {
    if (end === 'open') end = 'reset';
  });
  return {
    socket,
    get text() {
      return text;
    },
    get end() {
      return end;
    },
    send: (bytes) => {
      if (typeof bytes === 'string') socket.write(bytes, 'latin1');
      else socket.write(bytes);
    },
    received: (when) =>
      eventually(() => {
        const is =
          typeof when === 'string'
            ? text.includes(when)
            : when instanceof RegExp
              ? when.test(text)
              : when(text);
        if (!is)
          throw new Error(`waited for ${String(when)}; got ${JSON.stringify(text.slice(0, 2000))}, ${end}`);
        return text;
      }),
    ended: () =>
      eventually(() => {
        if (end === 'open') throw new Error(`still open after ${JSON.stringify(text.slice(0, 2000))}`);
        return text;
      }),
    forget: () => {
      text = '';
    },
  };
}

/** A client that has connected. `allowHalfOpen`: it decides itself when it ends. */
export async function rawClient(port: number): Promise<RawPeer> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
  const peer = rawPeer(socket);
  await eventually(() => {
    if (socket.connecting) throw new Error('connecting');
  });
  return peer;
}

/** An instance on a raw socket. */
export interface RawOrigin {
  readonly port: number;
  /** Every connection it has accepted, in order. */
  readonly connections: readonly RawPeer[];
  /** Resolves with connection number `index` once it is there. */
  connection(index: number): Promise<RawPeer>;
  close(): Promise<void>;
}

/** `serve` is called for each connection, and may answer by itself. */
export function rawOrigin(serve: (peer: RawPeer) => void = () => undefined): Promise<RawOrigin> {
  const connections: RawPeer[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const peer = rawPeer(socket);
    connections.push(peer);
    serve(peer);
  });
  return new Promise((resolve) => {
    server.listen({ host: '127.0.0.1', port: 0 }, () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        connections,
        connection: (index) =>
          eventually(() => {
            const peer = connections[index];
            if (peer === undefined) throw new Error(`no connection ${String(index)}`);
            return peer;
          }),
        close: () =>
          new Promise((closed) => {
            for (const { socket } of connections) socket.destroy();
            server.close(() => {
              closed();
            });
          }),
      });
    });
  });
}

/** Answers every complete bodiless request on a connection with `response`. */
export function answering(response: string | ((request: string) => string)): (peer: RawPeer) => void {
  return (peer) => {
    let seen = 0;
    peer.socket.on('data', () => {
      for (
        let end = peer.text.indexOf('\r\n\r\n', seen);
        end !== -1;
        end = peer.text.indexOf('\r\n\r\n', seen)
      ) {
        const request = peer.text.slice(seen, end + 4);
        seen = end + 4;
        peer.send(typeof response === 'string' ? response : response(request));
      }
    });
  };
}
