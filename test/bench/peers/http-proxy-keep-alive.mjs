// node peer: http-proxy 1.18.1 with a keep-alive agent, round robin.  args: PORT ORIGIN_PORT...
import http from 'node:http';

import httpProxy from 'http-proxy';

const [port, ...origins] = process.argv.slice(2).map(Number);
const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 256 });
const proxy = httpProxy.createProxyServer({ agent, xfwd: true });
let turn = 0;
const next = () => ({ target: `http://127.0.0.1:${origins[turn++ % origins.length]}` });

proxy.on('error', (error, request, response) => {
  if (response?.writeHead !== undefined && !response.headersSent) response.writeHead(502).end();
  else response?.destroy();
});
const server = http.createServer((request, response) => proxy.web(request, response, next()));
server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head, next()));
server.keepAliveTimeout = 75_000;
server.maxRequestsPerSocket = 0;
server.listen(port, '127.0.0.1');
