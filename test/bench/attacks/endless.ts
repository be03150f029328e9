import type { Socket } from 'node:net';

import type { Attack } from './attack.ts';
import { inWords, openMany } from './open-many.ts';

/** What never ends, and what is never read. Each attacker goes on until the watch is over. */
export const endlessAttacks: readonly Attack[] = [
  endless({
    name: 'readers',
    title: 'Slow readers',
    method: '1,000 clients ask for 1 MB and read 1 KB of it a second',
    count: 1_000,
    use: (socket) => {
      socket.write(get('/1m'));
      every(1_000, socket, () => {
        socket.read(1_024);
      });
    },
  }),
  endless({
    name: 'tunnels',
    title: 'One-sided tunnels',
    method: '200 WebSockets send all that fits, in frames that the instance echoes, and read nothing',
    count: 200,
    use: (socket) => {
      socket.write(upgrade);
      writeOn(socket, Buffer.concat(Array.from({ length: 100 }, () => frame)));
    },
  }),
  endless({
    name: 'pipelining',
    title: 'Endless pipelining',
    method: '200 clients send all the requests that fit, and read no answer',
    count: 200,
    use: (socket) => {
      writeOn(socket, Buffer.from(get('/small').repeat(500)));
    },
  }),
  endless({
    name: 'interims',
    title: 'Endless interim responses',
    method: '200 clients that read nothing ask for what an instance answers with a 103 of 8 KB every 10 ms',
    count: 200,
    use: (socket) => socket.write(get('/hints')),
  }),
  endless({
    name: 'trailers',
    title: 'Endless trailers',
    method: '200 uploads and 200 responses end in trailer lines, 1 KB every 10 ms, and never do',
    count: 400,
    use: (socket, k) => {
      socket.resume();
      if (k % 2 === 0) {
        socket.write(get('/trailers'));
      } else {
        socket.write('POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n');
        writeOn(socket, Buffer.from(`X: ${'x'.repeat(1_019)}\r\n`));
      }
    },
  }),
];

function endless({
  count,
  use,
  ...about
}: Pick<Attack, 'name' | 'title' | 'method'> & {
  readonly count: number;
  readonly use: (socket: Socket, k: number) => void;
}): Attack {
  return {
    ...about,
    origins: 'node-apart',
    seconds: 8,
    async run({ port }, signal) {
      let k = 0;
      return inWords(
        await openMany(port, count, {
          signal,
          use: (socket) => {
            use(socket, (k += 1));
          },
        }),
      );
    },
  };
}

/** Does something until the connection is gone. */
function every(ms: number, socket: Socket, act: () => void): void {
  const timer = setInterval(act, ms);
  socket.on('close', () => {
    clearInterval(timer);
  });
}

/** Sends the same bytes again and again, as fast as they are taken, every 10 ms at most. */
function writeOn(socket: Socket, bytes: Buffer): void {
  every(10, socket, () => {
    if (socket.writableLength === 0) socket.write(bytes);
  });
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const upgrade =
  'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n';
/** A masked binary frame of 125 bytes. */
const frame = Buffer.concat([Buffer.from([0x82, 0x80 | 125, 0, 0, 0, 0]), Buffer.alloc(125, 'x')]);
