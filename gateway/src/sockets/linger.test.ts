import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { expect, it, onTestFinished } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import { Linger } from './linger.ts';

it('goes on as long as enough moves, however much has moved before', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  onTestFinished(() => {
    client.destroy();
    accepted.destroy();
    server.close();
  });
  accepted.resume();
  const linger = new Linger(accepted);
  expect(linger.moves()).toBe(false);
  let sent = 0;
  const moves = async (bytes: number): Promise<boolean> => {
    client.write(Buffer.alloc(bytes));
    sent += bytes;
    await eventually(() => {
      expect(accepted.bytesRead).toBe(sent);
    });
    return linger.moves();
  };
  expect(await moves(1_024)).toBe(true);
  expect(await moves(100_000)).toBe(true);
  expect(await moves(1_023)).toBe(false);
  expect(await moves(1_024)).toBe(true);
});
