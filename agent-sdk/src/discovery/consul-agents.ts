import { Agent as HttpAgent, type AgentOptions, type ClientRequestArgs } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

import { maxPlainReads } from './connection-budget.ts';
import type { TlsOptions } from './consul-tls.ts';
import type { ConsulSettings } from './environment.ts';

/** A connection that ends so soon after it was made, without a byte, was not wanted. */
const refusedWithinMs = 250;

/**
 * The connections to one Consul agent. Blocking reads have their own: they may hold each for minutes, while the other calls go over a few
 * connections that stay open, and that an agent at its limit therefore keeps serving.
 */
export class ConsulAgents {
  readonly blocking: HttpAgent;
  readonly calls: HttpAgent;
  readonly #now: () => number;
  #refusedMs = -Infinity;

  /** `now`: monotonic milliseconds. */
  constructor(settings: ConsulSettings, tls: TlsOptions | undefined, now: () => number) {
    this.#now = now;
    const create = agentFactory(settings, tls);
    const onConnection = (socket: Duplex): void => {
      if ('bytesRead' in socket) this.#observe(socket as Socket);
    };
    this.blocking = create({ maxFreeSockets: 1_000 }, onConnection);
    this.calls = create({ maxSockets: maxPlainReads + 2, maxFreeSockets: maxPlainReads + 2 }, onConnection);
  }

  /** Whether the agent has just closed a new connection without a word. */
  get hasJustRefused(): boolean {
    return this.#now() - this.#refusedMs < 100;
  }

  /** Whether the agent still answers on another connection. */
  get isAnswering(): boolean {
    return [this.blocking, this.calls].some((agent) =>
      [...Object.values(agent.sockets), ...Object.values(agent.freeSockets)].some((sockets) =>
        sockets?.some((socket) => socket.bytesRead > 0 && !socket.destroyed),
      ),
    );
  }

  /** Closes idle connections; busy ones close when they become idle. `agent.destroy()` would also cut calls in flight. */
  close(): void {
    for (const agent of [this.blocking, this.calls]) {
      agent.maxFreeSockets = 0;
      for (const sockets of Object.values(agent.freeSockets))
        for (const socket of [...(sockets ?? [])]) socket.destroy();
    }
  }

  #observe(socket: Socket): void {
    const startedMs = this.#now();
    const ended = (): void => {
      const isEarly = this.#now() - startedMs < refusedWithinMs;
      if (isEarly && !socket.connecting && socket.bytesRead === 0) this.#refusedMs = this.#now();
    };
    socket.once('end', ended);
    socket.once('error', (error) => {
      if ('code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')) ended();
    });
  }
}

type CreateConnection = (
  options: ClientRequestArgs,
  callback?: (error: Error | null, stream: Duplex) => void,
) => Duplex | null | undefined;

/** Makes agents for an address; each reports its new connections. */
function agentFactory(
  settings: ConsulSettings,
  tls: TlsOptions | undefined,
): (limits: AgentOptions, onConnection: (socket: Duplex) => void) => HttpAgent {
  const address = settings.address.value;
  // papi passes an IPv6 host in brackets, which no resolver accepts. The host of the HTTP agent overrides it.
  const host = address.kind === 'tcp' && address.host.includes(':') ? { host: address.host } : {};
  return (limits, onConnection) => {
    const options = { keepAlive: true, ...limits, ...host };
    const agent = tls === undefined ? new HttpAgent(options) : new HttpsAgent({ ...options, ...tls });
    const create: CreateConnection = agent.createConnection.bind(agent);
    agent.createConnection = (how: ClientRequestArgs, callback?: Parameters<CreateConnection>[1]) => {
      const socket = create(how, callback);
      if (socket !== null && socket !== undefined) onConnection(socket);
      return socket;
    };
    return agent;
  };
}
