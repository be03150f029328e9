import { expect } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import type { RawClient } from '../kit/raw-client.ts';
import { valuesOf, type RawRequest } from '../kit/raw-message.ts';
import { ok, type OriginConnection } from '../kit/recording-origin.ts';
import { message, type Case } from './trial.ts';

const unauthorized = (challenge: string): string =>
  `HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: ${challenge}\r\nContent-Length: 0\r\n\r\n`;

/** An instance that takes a connection for the user's who has logged in on it, as those with NTLM do. */
function mailbox(): (request: RawRequest, connection: OriginConnection) => string {
  const users = new Map<OriginConnection, string>();
  return (request, connection) => {
    const [authorization] = valuesOf(request, 'authorization');
    if (authorization === 'NTLM 1') return unauthorized('NTLM 2');
    if (authorization?.startsWith('NTLM 3 ') === true) users.set(connection, authorization.slice(7));
    const user = users.get(connection);
    return user === undefined ? unauthorized('NTLM') : ok(`mail of ${user}`);
  };
}

async function ask(client: RawClient, authorization?: string): Promise<string> {
  client.send(message('GET /mail', authorization === undefined ? [] : [`Authorization: ${authorization}`]));
  const { status, body } = await client.response();
  return `${String(status)} ${body}`;
}

async function logIn(client: RawClient): Promise<void> {
  expect(await ask(client, 'NTLM 1')).toBe('401 ');
  expect(await ask(client, 'NTLM 3 alice')).toBe('200 mail of alice');
}

const cases: readonly Case[] = [
  {
    id: 'R51',
    fact: 'a connection to an instance over which a client has logged in is not lent to another client, and stays its',
    options: { poolIdleMs: 60_000 },
    script: { request: mailbox() },
    run: async ({ client, origin }) => {
      const [alice, stranger] = [await client(), await client()];
      await logIn(alice);
      expect(await ask(stranger)).toBe('401 ');
      expect(await ask(alice)).toBe('200 mail of alice');
      expect(await ask(stranger)).toBe('401 ');
      expect(origin.connections).toHaveLength(2);
      alice.destroy();
      // Dies with its client, long before it would be closed for being idle.
      await eventually(() => {
        expect(origin.open()).toBe(1);
      });
      expect(await ask(await client())).toBe('401 ');
    },
  },
  {
    id: 'R51b',
    fact: 'a request for such a login alone makes a connection the client’s own',
    options: { poolIdleMs: 60_000 },
    script: { request: () => unauthorized('Basic realm="a", Negotiate') },
    run: async ({ client, origin }) => {
      const [one, other] = [await client(), await client()];
      for (const sender of [one, other, one, other]) expect(await ask(sender)).toBe('401 ');
      expect(origin.connections.map((connection) => connection.requests().length)).toEqual([2, 2]);
    },
  },
  {
    id: 'R51c',
    fact: 'a client whose own connection has died begins anew on another',
    options: { poolIdleMs: 60_000 },
    script: { request: mailbox() },
    run: async ({ client, origin, subject }) => {
      const alice = await client();
      await logIn(alice);
      origin.connections[0]?.destroy();
      await eventually(() => {
        expect(subject.engine.stats().upstreamConnections).toBe(0);
      });
      expect(await ask(alice)).toBe('401 ');
      await logIn(alice);
      expect(await ask(alice)).toBe('200 mail of alice');
    },
  },
  {
    id: 'R51d',
    fact: 'a login of a request alone leaves its connection to all clients',
    options: { poolIdleMs: 60_000 },
    run: async ({ client, origin }) => {
      for (const authorization of ['Basic dTpw', 'Bearer NTLM'])
        expect(await ask(await client(), authorization)).toBe('200 ok');
      expect(origin.connections).toHaveLength(1);
    },
  },
];

/** Statements about logins that belong to a connection. */
export function loginCases(): readonly Case[] {
  return cases;
}
