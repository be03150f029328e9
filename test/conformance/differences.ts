import { eventually } from '../kit/eventually.ts';
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
    R16n: {
      id: 'R16n',
      fact: "white space around the semicolon of a chunk extension is refused with 400 by Node's parser",
      run: async ({ client, origin }) => {
        for (const size of ['5 ;a=b', '5; a=b']) {
          const sender = await client();
          sender.send(message('POST /', ['Transfer-Encoding: chunked'], `${size}\r\nhello\r\n0\r\n\r\n`));
          expect((await sender.response()).status).toBe(400);
        }
        expect(origin.requests()).toEqual([]);
      },
    },
    R16v: {
      id: 'R16v',
      fact: "white space behind a chunk size of a response is refused by Node's parser, and the client is cut",
      script: {
        request: () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n',
      },
      run: async ({ client, subject }) => {
        const sender = await client();
        sender.send(message('GET /'));
        await sender.closed();
        expect(sender.received()).not.toContain('0\r\n\r\n');
        await eventually(() => {
          expect(subject.exchanges.log[0]?.end?.kind).toBe('response_incomplete');
        });
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
  wire: {},
};
