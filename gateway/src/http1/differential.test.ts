import { createServer, METHODS, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';

import { expect, it } from 'vitest';

import { createRandom, mutant } from '../../../test/fuzz/mutation.ts';
import { judgeRequest } from '../http/request-rules.ts';
import { sourceOf } from './head-source.ts';
import { parseRequestHead, type ParsedRequest } from './request-head.ts';

const client = { address: '127.0.0.1', port: 1, scheme: 'http', localPort: 80 } as const;
const limits = { headBytes: 16_384, headLines: 100 };

/** What Node's strict parser makes of a head: the request, or the code of its refusal. */
async function readByNode(
  text: string,
): Promise<Pick<IncomingMessage, 'method' | 'url' | 'httpVersion' | 'rawHeaders'> | string> {
  const server = createServer({ requireHostHeader: false, maxHeaderSize: 65_536 });
  server.maxHeadersCount = 0;
  return new Promise((resolve) => {
    const take = (request: IncomingMessage): void => {
      resolve(request);
    };
    for (const event of ['request', 'checkContinue', 'checkExpectation', 'upgrade', 'connect'])
      server.on(event, take);
    server.on('clientError', (error: NodeJS.ErrnoException) => {
      resolve(error.code ?? error.message);
    });
    const socket = new Duplex({
      read: () => undefined,
      write: (_chunk, _encoding, done) => {
        done();
      },
    });
    server.emit('connection', socket);
    socket.push(text, 'latin1');
    socket.push(null);
  }).finally(() => server.close()) as ReturnType<typeof readByNode>;
}

/** Methods that Node's parser doesn't know are the one thing that it refuses and we take (RFC 9110 §9.1: unknown ones are forwarded). */
const known = new Set(METHODS);

it('accepts no head that Node’s strict parser refuses or reads differently', async () => {
  const random = createRandom(20_261_120);
  let compared = 0;
  for (let message = 0; message < 6_000; message += 1) {
    const text = mutant(random);
    const head: ParsedRequest | string = parseRequestHead(sourceOf(text), limits, client);
    if (typeof head === 'string' || !known.has(head.method)) continue;
    // The form of the target is the exchange's to judge. Bytes above 0x7f in it are passed on, and refused by Node.
    if (judgeRequest(head).kind !== 'accepted' || /[\x80-\xff]/.test(head.target)) continue;
    compared += 1;
    const node = await readByNode(text.slice(0, head.end));
    const shown = JSON.stringify(text.slice(0, head.end));
    if (typeof node === 'string') expect.fail(`Node says ${node} to ${shown}`);
    expect([node.method, node.url, node.httpVersion], shown).toEqual([
      head.method,
      head.target,
      head.version,
    ]);
    expect(node.rawHeaders, shown).toEqual(head.fields);
  }
  expect(compared).toBeGreaterThan(500);
});
