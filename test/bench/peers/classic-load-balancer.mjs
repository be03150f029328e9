// node peer: the classic load balancer of about 40 lines. It asks Consul for the list of services on every request,
// and http-proxy opens a connection for each.  args: PORT CONSUL_PORT SERVICE
import http from 'node:http';

import Consul from 'consul';
import httpProxy from 'http-proxy';

const [port, consulPort, serviceName] = process.argv.slice(2);
const consul = new Consul({ host: '127.0.0.1', port: Number(consulPort) });
const proxy = httpProxy.createProxyServer({ xfwd: true });
let turn = 0;

async function pickInstance() {
  const services = await consul.agent.service.list();
  const instances = Object.values(services).filter((service) => service.Service === serviceName);
  if (instances.length === 0) throw new Error(`no instance of ${serviceName}`);
  const { Address, Port } = instances[turn++ % instances.length];
  return { target: `http://${Address}:${Port}` };
}

const server = http.createServer(async (request, response) => {
  try {
    proxy.web(request, response, await pickInstance());
  } catch {
    response.writeHead(503).end();
  }
});

server.on('upgrade', async (request, socket, head) => {
  try {
    proxy.ws(request, socket, head, await pickInstance());
  } catch {
    socket.destroy();
  }
});

proxy.on('error', (error, request, response) => {
  if (response?.writeHead !== undefined && !response.headersSent) response.writeHead(502).end();
  else response?.destroy();
});

server.keepAliveTimeout = 75_000;
server.listen(Number(port), '127.0.0.1');
