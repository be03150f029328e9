// node peer: @fastify/http-proxy (undici), round robin.  args: PORT ORIGIN_PORT...
import httpProxy from '@fastify/http-proxy';
import fastify from 'fastify';

const [port, ...origins] = process.argv.slice(2).map(Number);
let turn = 0;
const app = fastify({ logger: false, keepAliveTimeout: 75_000 });
await app.register(httpProxy, {
  upstream: '',
  websocket: true,
  undici: { connections: 128, pipelining: 1, keepAliveTimeout: 60_000 },
  replyOptions: {
    getUpstream: () => `http://127.0.0.1:${origins[turn++ % origins.length]}`,
    rewriteRequestHeaders: (request, headers) => ({ ...headers, 'x-forwarded-for': request.ip }),
  },
});
await app.listen({ port, host: '127.0.0.1' });
