import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/**
 * `/api/echo`, any method: streams the request body back as it arrives, with its media type and, where the client
 * declared one, its length. Nothing is buffered: a slow reader slows the sender down, and there is no size limit.
 *
 * It answers from `onRequest`, because Fastify would otherwise parse the body (and limit it) first.
 */
export function echoRoute(app: FastifyInstance): void {
  app.all('/api/echo', { onRequest: echo, exposeHeadRoute: false }, () => undefined);
}

function echo(request: FastifyRequest, reply: FastifyReply, _next: () => void): void {
  const { 'content-type': mediaType, 'content-length': length } = request.headers;
  void reply
    .header('content-type', mediaType ?? 'application/octet-stream')
    .header('cache-control', 'no-store')
    // The body comes from the caller: a browser must neither guess its type nor run it.
    .header('x-content-type-options', 'nosniff')
    .header('content-security-policy', "default-src 'none'; sandbox");
  if (length !== undefined) void reply.header('content-length', length);
  void reply.send(request.method === 'HEAD' ? undefined : request.raw);
}

/** `GET /api/headers`: the request as it arrived here; shows what a gateway adds and removes. */
export function headersRoute(app: FastifyInstance): void {
  app.get('/api/headers', (request, reply) => {
    const { method, url, httpVersion, rawHeaders, socket } = request.raw;
    const fields: [name: string, value: string][] = [];
    for (let i = 0; i + 1 < rawHeaders.length; i += 2)
      fields.push([rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '']);
    return reply.header('cache-control', 'no-store').send({
      method,
      target: url,
      version: httpVersion,
      peer: socket.remoteAddress,
      fields,
    });
  });
}
