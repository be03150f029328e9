import type { Socket } from 'node:net';

import { eventually } from './eventually.ts';

/** A peer on a raw socket: sends exactly the bytes it is given and keeps exactly the bytes it gets. Text is latin1. */
export interface RawPeer {
  readonly socket: Socket;
  send(bytes: string | Buffer): void;
  /** Everything received so far, or since `forget`. */
  received(): string;
  /** Resolves with everything received once it satisfies `when`. */
  until(when: string | RegExp | ((text: string) => boolean)): Promise<string>;
  /** How the other side has ended, if it has. */
  state(): 'open' | 'ended' | 'reset';
  /** Resolves with everything received once the other side has ended or reset the connection. */
  ended(): Promise<string>;
  forget(): void;
}

export function rawPeer(socket: Socket): RawPeer {
  let text = '';
  let state: 'open' | 'ended' | 'reset' = 'open';
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => (text += chunk));
  socket.on('end', () => (state = 'ended'));
  socket.on('error', () => (state = 'reset'));
  socket.on('close', () => {
    if (state === 'open') state = 'reset';
  });
  return {
    socket,
    send: (bytes) => socket.write(bytes, 'latin1'),
    received: () => text,
    until: (when) =>
      eventually(() => {
        if (!satisfies(text, when)) {
          throw new Error(
            `waited for ${String(when)}; got ${JSON.stringify(text.slice(0, 2_000))}, ${state}`,
          );
        }
        return text;
      }),
    state: () => state,
    ended: () =>
      eventually(() => {
        if (state === 'open') throw new Error(`still open after ${JSON.stringify(text.slice(0, 2_000))}`);
        return text;
      }),
    forget: () => {
      text = '';
    },
  };
}

function satisfies(text: string, when: string | RegExp | ((text: string) => boolean)): boolean {
  if (typeof when === 'string') return text.includes(when);
  return when instanceof RegExp ? when.test(text) : when(text);
}

/** Answers every complete bodiless request on a connection with `response`. */
export function answering(response: string | ((request: string) => string)): (peer: RawPeer) => void {
  return (peer) => {
    let seen = 0;
    peer.socket.on('data', () => {
      const text = peer.received();
      for (let end = text.indexOf('\r\n\r\n', seen); end !== -1; end = text.indexOf('\r\n\r\n', seen)) {
        const request = text.slice(seen, end + 4);
        seen = end + 4;
        peer.send(typeof response === 'string' ? response : response(request));
      }
    });
  };
}
