import type { Attack } from './attack.ts';
import { endlessAttacks } from './endless.ts';
import { inWords, openMany } from './open-many.ts';
import { readAgainAndAgain } from './read-again.ts';

/** All attacks in the order of the table. */
export const attacks: readonly Attack[] = [
  stalledUploads(),
  descriptorsGone(),
  everyConnection(),
  adminReaders(),
  ...endlessAttacks,
];

/** Bodies that never end: short enough to be kept for another attempt, and long enough to hurt. */
function stalledUploads(): Attack {
  const count = 5_000;
  const body = Buffer.alloc(65_300, 'x');
  const head = 'POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 65400\r\n\r\n';
  return {
    name: 'uploads',
    title: '5,000 stalled uploads',
    method: '5,000 POSTs send 65,300 bytes of 65,400 and then nothing',
    origins: 'node',
    seconds: 12,
    async run({ port }, signal) {
      const opened = await openMany(port, count, {
        signal,
        use: (socket) => {
          socket.resume();
          socket.write(head);
          socket.write(body);
        },
      });
      return inWords(opened);
    },
  };
}

/** An address of its own, where the system has all of 127.0.0.0/8. */
const attacker = process.platform === 'linux' ? '127.0.0.2' : '127.0.0.1';

/** Requests that are never answered, each on two descriptors of the proxy. */
function descriptorsGone(): Attack {
  return {
    name: 'descriptors',
    title: 'Descriptors gone',
    method:
      'the proxy may open 1,024 files; 900 requests of one address wait for an answer that does not come',
    origins: 'node',
    seconds: 12,
    openFiles: 1_024,
    run: async ({ port }, signal) =>
      inWords(
        await openMany(port, 900, {
          signal,
          from: attacker,
          use: (socket) => socket.write(get('/hang')),
        }),
      ),
  };
}

/** One address fills the proxy with connections that have had their answer. */
function everyConnection(): Attack {
  return {
    name: 'connections',
    title: 'One address with every connection',
    method:
      'the proxy is to take 2,000 client connections; 2,000 of one address have one answer each and stay',
    origins: 'node',
    seconds: 12,
    connections: 2_000,
    run: async ({ port }, signal) =>
      inWords(
        await openMany(port, 2_000, {
          signal,
          from: attacker,
          use: (socket) => {
            socket.resume();
            socket.write(get('/small'));
          },
        }),
      ),
  };
}

/** Status pages are read by all that reach them. */
function adminReaders(): Attack {
  const instances = 8_000;
  return {
    name: 'admin',
    title: 'Readers of the admin listener',
    method: `four readers ask for /api/services with ${instances.toLocaleString('en')} instances, again and again`,
    origins: 'node',
    seconds: 8,
    rows: ['wire', 'http-proxy'],
    async prepare(consulPort) {
      for (let k = 0; k < instances; k += 1) {
        await fetch(`http://127.0.0.1:${consulPort}/v1/agent/service/register`, {
          method: 'PUT',
          body: JSON.stringify({
            ID: `herd-${k}`,
            Name: 'herd',
            Address: `10.2.${k >> 8}.${k & 255}`,
            Port: 80,
            Tags: ['urlprefix-/herd'],
          }),
        });
      }
    },
    async run({ adminPort }, signal) {
      const read = await Promise.all(
        Array.from({ length: 4 }, () => readAgainAndAgain(adminPort, '/api/services', signal)),
      );
      return `${read.reduce((sum, answers) => sum + answers, 0).toLocaleString('en')} answers`;
    },
  };
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
