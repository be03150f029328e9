// A storm of registrations, in a process of its own.  args: CONTROL_PORT AGENT_PORT PREFIX SERVICES INSTANCES ORIGIN_PORT
//   Fills the agent with INSTANCES instances, spread over SERVICES services, and then listens on CONTROL_PORT:
//   GET /storm?rate=300&ms=10000 registers so many new instances a second; when there are more than a second's worth of them the oldest is
//   deregistered for each. Answers at the end with the changes that the agent confirmed.
//   GET /follow: from now on reads the services as a gateway would, and throws away what it reads.
import http from 'node:http';

const [controlPort, agentPort, prefix, services, instances, originPort] = process.argv
  .slice(2)
  .map((text) => (/^\d+$/.test(text) ? Number(text) : text));
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

function call(method, path, body, onAnswer) {
  const request = http.request({ host: '127.0.0.1', port: agentPort, agent, method, path }, (response) => {
    response.resume().once('end', () => onAnswer(response));
  });
  request.once('error', (error) => {
    console.error(`storm: ${method} ${path}: ${error.message}`);
    process.exit(1);
  });
  request.end(body);
}

let addresses = 0;
const nameOf = (k) => `${prefix}-${k % services}`;
const register = (id, k) =>
  new Promise((resolve) => {
    const name = nameOf(k);
    addresses += 1;
    const body = JSON.stringify({
      ID: id,
      Name: name,
      // Records at one address and port would be one endpoint. Nothing is sent there.
      Address: `127.1.${(addresses >> 8) & 255}.${addresses & 255}`,
      Port: originPort,
      Tags: [`urlprefix-/${name}`, 'version=4.2.1'],
      Meta: { team: 'ordering', commit: '1f0c9a7', startedBy: 'deploy' },
      Check: { CheckID: `service:${id}`, Name: 'alive', TTL: '600s', Status: 'passing' },
    });
    call('PUT', '/v1/agent/service/register', body, ({ statusCode }) => {
      if (statusCode !== 200) throw new Error(`the agent refuses ${id}: ${statusCode}`);
      resolve();
    });
  });
const deregister = (id) =>
  new Promise((resolve) => call('PUT', `/v1/agent/service/deregister/${id}`, undefined, resolve));

let serial = 0;
const newcomers = [];

async function storm(rate, durationMs) {
  const startedMs = performance.now();
  let [sent, done] = [0, 0];
  const under = new Set();
  const track = (work) => {
    const one = work.then(() => {
      done += 1;
      under.delete(one);
    });
    under.add(one);
  };
  while (performance.now() - startedMs < durationMs) {
    const due = Math.floor(((performance.now() - startedMs) / 1000) * rate);
    for (; sent < due; sent += 1) {
      serial += 1;
      const id = `${prefix}-newcomer-${serial}`;
      newcomers.push(id);
      track(register(id, serial));
      if (newcomers.length > rate) track(deregister(newcomers.shift()));
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await Promise.all(under);
  return done;
}

// At most as often as a gateway reads a list of this size.
function follow(name, index) {
  const startedMs = performance.now();
  call('GET', `/v1/health/service/${name}?stale=1&index=${index}&wait=60s`, undefined, (response) => {
    const pauseMs = Math.max(50, instances / services / 5) - (performance.now() - startedMs);
    setTimeout(() => follow(name, response.headers['x-consul-index'] ?? '0'), Math.max(0, pauseMs));
  });
}

for (let k = 0; k < instances; k += 50) {
  await Promise.all(
    Array.from({ length: Math.min(50, instances - k) }, (_, at) => register(`${prefix}-${k + at}`, k + at)),
  );
}

http
  .createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://127.0.0.1');
    if (pathname === '/follow') for (let k = 0; k < services; k += 1) follow(nameOf(k), '0');
    const confirmed =
      pathname === '/storm'
        ? await storm(Number(searchParams.get('rate')), Number(searchParams.get('ms')))
        : 0;
    response.end(String(confirmed));
  })
  .listen(controlPort, '127.0.0.1');
