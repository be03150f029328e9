import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { answerSignal, pause } from '../lifetime.ts';
import { type IntegerParameter, readInteger, refusal } from './integer-parameter.ts';

const slowMs: IntegerParameter = { name: 'ms', min: 0, max: 60_000, fallback: 1000 };
const statusCode: IntegerParameter = { name: 'code', min: 200, max: 599, fallback: 200 };
const byteCount: IntegerParameter = { name: 'n', min: 0, max: 2 ** 30, fallback: 1024 };

/** Byte i of any `/api/bytes` body is `i % 256`, so that a receiver notices a cut or a shift. */
const pattern = Buffer.from(Uint8Array.from({ length: 65_536 }, (_, i) => i % 256));

/** `GET /api/slow?ms=` (0 to 60,000; default 1,000): answers after that time. Stops when the client disconnects. */
export function slowRoute(app: FastifyInstance): void {
  app.get('/api/slow', async (request, reply) => {
    const ms = readInteger(request.query, slowMs);
    if (ms === undefined) return reply.code(400).send(refusal(slowMs));
    await pause(ms, answerSignal(reply));
    return reply.header('cache-control', 'no-store').send({ waitedMs: ms });
  });
}

/** `GET /api/status?code=` (200 to 599; default 200): answers with that status. */
export function statusRoute(app: FastifyInstance): void {
  app.get('/api/status', (request, reply) => {
    const code = readInteger(request.query, statusCode);
    if (code === undefined) return reply.code(400).send(refusal(statusCode));
    void reply.code(code).header('cache-control', 'no-store');
    // RFC 9110 §15.3.5, §15.3.6, §15.4.5: these have no content.
    return code === 204 || code === 205 || code === 304 ? reply.send() : reply.send({ status: code });
  });
}

/** `GET /api/bytes?n=` (0 to 1 GiB; default 1,024): that many bytes with a `Content-Length`, made as they are read. */
export function bytesRoute(app: FastifyInstance): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/api/bytes',
    handler: (request, reply) => {
      const n = readInteger(request.query, byteCount);
      if (n === undefined) return reply.code(400).send(refusal(byteCount));
      void reply
        .header('content-type', 'application/octet-stream')
        .header('content-length', n)
        .header('cache-control', 'no-store');
      return request.method === 'HEAD' ? reply.send() : reply.send(Readable.from(bytes(n)));
    },
  });
}

function* bytes(count: number): Generator<Buffer> {
  for (let left = count; left > 0; left -= pattern.length)
    yield left < pattern.length ? pattern.subarray(0, left) : pattern;
}
