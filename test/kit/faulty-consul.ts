import { once } from 'node:events';
import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';

import {
  createEmbeddedConsul,
  type EmbeddedConsul,
  type EmbeddedConsulOptions,
} from '../../gateway/src/embedded-consul/index.ts';
import {
  createFaultBook,
  distort,
  faultOf,
  type FaultBook,
  type RegistryAnswer,
  type RegistryFault,
  type RegistryFaults,
} from './registry-faults.ts';

/** An embedded agent behind a proxy that can make its answers wrong. Counts requests and connections at the proxy. */
export interface FaultyConsul extends EmbeddedConsul {
  readonly faults: RegistryFaults;
}

/** Makes an agent without faults. Its owner calls `listen` and `stop`, as for the agent itself. */
export function createFaultyConsul(options: EmbeddedConsulOptions = {}): FaultyConsul {
  const { onRequest, ...others } = options;
  const agent = createEmbeddedConsul(others);
  const faults = createFaultBook();
  let proxy: Server | undefined;
  let requests = 0;
  let connections = 0;

  function createProxy(port: number): Server {
    const toAgent = new Agent({ keepAlive: true });
    const server = createServer({ keepAliveTimeout: 0 }, (incoming, response) => {
      requests++;
      onRequest?.(incoming.method ?? '', incoming.url ?? '');
      // A client that disconnects is no error.
      incoming.on('error', () => undefined);
      response.on('error', () => undefined);
      forward({ port, agent: toAgent, faults }, incoming, response).catch(() => {
        response.destroy();
      });
    });
    server.on('connection', (socket) => {
      connections++;
      socket.once('close', () => {
        connections--;
      });
    });
    server.once('close', () => {
      toAgent.destroy();
    });
    return server;
  }

  return {
    faults,
    async listen({ host, port }) {
      const inner = await agent.listen({ host, port: 0 });
      const server = createProxy(inner.port);
      proxy = server;
      try {
        server.listen(port, host);
        await once(server, 'listening');
      } catch (error) {
        proxy = undefined;
        await agent.stop();
        throw error;
      }
      const bound = server.address();
      return { host, port: typeof bound === 'object' && bound !== null ? bound.port : port };
    },
    async stop() {
      const ending = proxy;
      proxy = undefined;
      if (ending?.listening === true) {
        const closed = once(ending, 'close');
        ending.close();
        ending.closeAllConnections();
        await closed;
      }
      await agent.stop();
    },
    reset() {
      agent.reset();
      proxy?.closeAllConnections();
    },
    dropConnections() {
      proxy?.closeAllConnections();
      agent.dropConnections();
    },
    stats: () => ({ ...agent.stats(), requests, connections }),
  };
}

interface Forwarding {
  /** The agent's port on 127.0.0.1. */
  readonly port: number;
  readonly agent: Agent;
  readonly faults: FaultBook;
}

async function forward(to: Forwarding, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = '', url: target = '', headers } = incoming;
  const body = await bodyOf(incoming);
  const faults = to.faults.take({ method, target, headers });
  if (faultOf(faults, 'black_hole') !== undefined) return;
  if (faultOf(faults, 'drop')?.when === 'before') {
    incoming.socket.resetAndDestroy();
    return;
  }
  const delayMs = faultOf(faults, 'delay')?.delayMs ?? 0;
  if (delayMs > 0) await whileOpen(response, delayMs);
  if (response.destroyed) return;
  const scripted = faultOf(faults, 'answer');
  const answer =
    scripted === undefined
      ? await ask(to, { method, target: withoutBlocking(target, faults), headers, body }, response)
      : {
          status: scripted.status,
          headers: { 'content-type': 'text/plain' },
          body: Buffer.from(scripted.body),
        };
  await send(response, distort(answer, faults), faults);
}

/** An empty answer does not block. */
function withoutBlocking(target: string, faults: readonly RegistryFault[]): string {
  return faultOf(faults, 'empty') === undefined ? target : target.replace(/([?&])index=\d+/, '$1index=0');
}

/** Asks the agent; ends with the client's connection. */
async function ask(
  { port, agent }: Forwarding,
  asked: Pick<IncomingMessage, 'headers'> & { method: string; target: string; body: Buffer },
  response: ServerResponse,
): Promise<RegistryAnswer> {
  const { method, target: path, headers, body } = asked;
  const outgoing = request({ host: '127.0.0.1', port, agent, method, path, headers });
  response.once('close', () => {
    outgoing.destroy();
  });
  outgoing.end(body);
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  const own = ['connection', 'keep-alive', 'content-length', 'transfer-encoding', 'date'];
  const kept = Object.entries(answer.headers).filter(([name]) => !own.includes(name));
  return {
    status: answer.statusCode ?? 0,
    headers: Object.fromEntries(kept.map(([name, value]) => [name, String(value)])),
    body: await bodyOf(answer),
  };
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  return Buffer.concat((await message.toArray()) as Buffer[]);
}

async function send(
  response: ServerResponse,
  { status, headers, body }: RegistryAnswer,
  faults: readonly RegistryFault[],
): Promise<void> {
  response.writeHead(status, { ...headers, 'content-length': String(body.length) });
  const dribble = faultOf(faults, 'dribble');
  if (faultOf(faults, 'drop') !== undefined) {
    response.write(body.subarray(0, Math.ceil(body.length / 2)), () => {
      response.socket?.resetAndDestroy();
    });
    return;
  }
  if (dribble !== undefined) {
    for (let at = 0; at < body.length && !response.destroyed; at += dribble.bytes) {
      response.write(body.subarray(at, at + dribble.bytes));
      await whileOpen(response, dribble.everyMs);
    }
  }
  response.end(dribble === undefined ? body : undefined);
}

/** Waits for a time, or until the response is closed. */
function whileOpen(response: ServerResponse, forMs: number): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      response.off('close', end);
      resolve();
    };
    const timer = setTimeout(end, forMs);
    response.once('close', end);
  });
}
