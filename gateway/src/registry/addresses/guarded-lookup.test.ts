import { createServer, connect, type AddressInfo } from 'node:net';
import type { LookupAddress } from 'node:dns';

import { describe, expect, it } from 'vitest';

import { addressRefusedCode, createGuardedLookup } from './guarded-lookup.ts';

const judge = (address: string): string | undefined =>
  address.startsWith('169.') ? 'it is metadata' : undefined;

/** What a lookup calls back with. */
function ask(addresses: readonly LookupAddress[] | Error, all: boolean): Promise<unknown> {
  const lookup = createGuardedLookup({
    judge,
    resolve: (_hostname, _family, done) => {
      if (addresses instanceof Error) done(addresses, []);
      else done(null, addresses);
    },
  });
  return new Promise((resolve) => {
    lookup('api.internal', { all }, (error, address, family) => {
      resolve(error ?? (family === undefined ? address : { address, family }));
    });
  });
}

const good = { address: '10.0.0.4', family: 4 };
const bad = { address: '169.254.169.254', family: 4 };

describe('createGuardedLookup', () => {
  it('leaves refused addresses out', async () => {
    expect(await ask([bad, good], true)).toEqual([good]);
    expect(await ask([bad, good], false)).toEqual(good);
  });

  it('fails when no address is left, and says why', async () => {
    for (const all of [true, false]) {
      const error = await ask([bad], all);
      expect(error).toMatchObject({ code: addressRefusedCode });
      expect(String(error)).toContain('api.internal is not connected to: it is metadata');
    }
    expect(await ask([], true)).toMatchObject({ code: addressRefusedCode });
  });

  it('passes failures of the resolver on', async () => {
    const failure = new Error('no such name');
    expect(await ask(failure, true)).toBe(failure);
  });

  it('works for net.connect with the resolver of the system', async () => {
    const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const judged: string[] = [];
    const outcome = (refusal: string | undefined) =>
      new Promise<string>((resolve) => {
        const lookup = createGuardedLookup({
          judge: (address, hostname) => {
            judged.push(`${hostname} ${address}`);
            return refusal;
          },
        });
        const socket = connect({ host: 'localhost', port, lookup, family: 4 });
        socket.on('error', (error) => {
          resolve('code' in error ? String(error.code) : String(error));
        });
        socket.on('connect', () => {
          socket.destroy();
          resolve('connected');
        });
      });
    expect(await outcome(undefined)).toBe('connected');
    expect(await outcome('no')).toBe(addressRefusedCode);
    expect(judged).toEqual(['localhost 127.0.0.1', 'localhost 127.0.0.1']);
    await new Promise((resolve) => server.close(resolve));
  });
});
