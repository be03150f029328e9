import { expect } from 'vitest';

import type { EngineName } from './subject.ts';
import { message, type Case } from './trial.ts';

/** What an engine does instead of a case of the table, by the case's id. `docs/engines.md` is tested against it. */
export const differences: Readonly<Record<EngineName, Readonly<Record<string, Case>>>> = {
  'http-proxy': {
    R04b: {
      id: 'R04b',
      fact: "a method that Node's parser doesn't know is refused with 400, and nothing is forwarded",
      run: async ({ exchange, origin }) => {
        expect((await exchange(message('BREW /pot'))).status).toBe(400);
        expect(origin.connections).toHaveLength(0);
      },
    },
    P6u: {
      id: 'P6u',
      fact: "bytes above 0x7f in a target are refused with 400 by Node's parser",
      run: async ({ exchange, origin }) => {
        expect((await exchange(message('GET /caf\xc3\xa9'))).status).toBe(400);
        expect(origin.connections).toHaveLength(0);
      },
    },
  },
  wire: {
    R39c: {
      id: 'R39c',
      fact: 'response trailers pass to a client that asks for them, without those that may not be trailers; no other client gets any',
      script: {
        request: () =>
          'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\nSet-Cookie: a\r\n\r\n',
      },
      run: async ({ exchange }) => {
        const asked = await exchange(message('GET /', ['TE: trailers', 'Connection: TE']));
        expect(asked.trailers).toEqual([['X-T', '1']]);
        expect((await exchange(message('GET /'))).trailers).toEqual([]);
      },
    },
  },
};
