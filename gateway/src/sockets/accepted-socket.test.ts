import { createServer, type AddressInfo, type Socket } from 'node:net';

import { describe, expect, it } from 'vitest';

import { readInto, readPlainly } from './accepted-socket.ts';
import { openRawClient } from '../../../test/kit/raw-client.ts';

describe.each([
  ['readInto', readInto],
  ['readPlainly', readPlainly],
] as const)('%s', (name, read) => {
  it('gives every byte and the end, writes back, and lets its server close', async () => {
    const buffer = Buffer.alloc(16);
    let got = '';
    const ends: string[] = [];
    const sockets: Socket[] = [];
    const shared: boolean[] = [];
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (accepted) => {
      const socket = read(accepted, {
        buffer: () => buffer,
        callback: (length, bytes) => {
          shared.push(bytes === buffer);
          got += Buffer.from(bytes.subarray(0, length)).toString('latin1');
          return true;
        },
      });
      socket.on('end', () => ends.push('end'));
      socket.on('close', () => ends.push('close'));
      sockets.push(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = await openRawClient((server.address() as AddressInfo).port);
    client.send('x'.repeat(1000));
    client.socket.end();
    await client.until(() => got.length === 1000 && ends.includes('end'));
    sockets[0]?.end('answer');
    expect(await client.ended()).toBe('answer');
    await new Promise((resolve) => server.close(resolve));
    expect(ends).toEqual(['end', 'close']);
    // This is what `readInto` is for: if a new Node takes it away, the engine still works, but this must be seen.
    expect(shared.every((same) => same === (name === 'readInto'))).toBe(true);
  });
});
