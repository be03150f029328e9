/**
 * The balancer in front of a fleet of gateways, for the chaos suite: TCP, in turn, to the backends whose readiness page says 200; asked every
 * 100 ms. Like any such balancer it connects again elsewhere when a connection is refused, and knows nothing of HTTP.
 *
 *     balancer '[{"port": 8080, "ready": "http://127.0.0.1:8081/readyz"}]'
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

interface Backend {
  readonly port: number;
  readonly ready: string;
}

const backends = JSON.parse(process.argv[2] ?? '[]') as readonly Backend[];
const askEveryMs = 100;
const ready = new Set<Backend>();
let turn = 0;

async function ask(backend: Backend): Promise<void> {
  try {
    const { ok } = await fetch(backend.ready, { signal: AbortSignal.timeout(1_000) });
    if (ok) ready.add(backend);
    else ready.delete(backend);
  } catch {
    ready.delete(backend);
  }
}

function forward(client: Socket, tries: number): void {
  const candidates = [...ready];
  const backend = candidates[(turn += 1) % Math.max(1, candidates.length)];
  if (backend === undefined || tries === 0) {
    client.destroy();
    return;
  }
  const server = connect({ port: backend.port, host: '127.0.0.1', noDelay: true });
  server.once('error', () => {
    ready.delete(backend);
    forward(client, tries - 1);
  });
  server.once('connect', () => {
    server.removeAllListeners('error');
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
  });
}

await Promise.all(backends.map(ask));
setInterval(() => void Promise.all(backends.map(ask)), askEveryMs);
const listener = createServer({ noDelay: true }, (client) => {
  client.on('error', () => undefined);
  forward(client, 3);
});
listener.listen(0, '127.0.0.1', () => {
  console.log(`balancer on ${(listener.address() as AddressInfo).port}`);
});
