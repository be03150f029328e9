import { Agent, type ClientRequest, type ClientRequestArgs, type IncomingMessage } from 'node:http';
import { createConnection, Socket, type LookupFunction } from 'node:net';
import type { Duplex } from 'node:stream';

import { type Endpoint, endpointKey } from '@roundhouse/agent-sdk/internal';

import type { AttemptStep } from '../exchange/seam.ts';
import { checkIdentity, type PendingConnect } from './identity-check.ts';

/** First TCP keep-alive probe: finds peers that vanished without a word. */
const probeAfterMs = 30_000;

/** Idle connections kept per endpoint; the ones used longest ago are at the far end and time out. */
const maxIdle = 256;

/** Margin before the moment at which an instance has said it closes an idle connection (`Keep-Alive: timeout=`). */
const hintMarginMs = 1_000;

/** The agent of an endpoint. */
export interface EndpointAgent extends Agent {
  /** `retired`: the endpoint is not live any more; no connection is kept. */
  readonly state: 'live' | 'retired';
}

/** The keep-alive connections to every endpoint, one last-in first-out pool each, so that surplus ones age out. */
export interface EndpointPools {
  /**
   * The agent for an attempt. `fresh` closes the endpoint's idle connections first: after one has failed, its siblings are suspect.
   * With an `identity`, only connections on which that instance has answered are used.
   */
  agentFor(step: Pick<AttemptStep, 'endpoint' | 'connection' | 'identity'>): EndpointAgent;
  /** Tells that a connection now carries this response: bytes after its end are surplus, and end the connection (R32, R37). */
  carries(socket: Socket, response: IncomingMessage): void;
  /** Hands a connection over for good (a tunnel). It still counts until it is closed. */
  handOver(socket: Socket): void;
  /** Closes idle connections of endpoints not in `live` (keys of `endpointKey`); busy ones close when their exchange ends. */
  retain(live: ReadonlySet<string>): void;
  /** Open connections, idle and busy. */
  size(): number;
  /** Destroys every connection; resolves when all are closed. */
  close(): Promise<void>;
}

export interface PoolOptions {
  /** How long a connection may wait for its next exchange. */
  readonly idleMs: number;
  /** Resolves host names, or refuses them. */
  readonly lookup: LookupFunction;
}

/** Makes the pools; ended by `close`. */
export function createEndpointPools(options: PoolOptions): EndpointPools {
  const pools = new Map<string, EndpointPool>();
  const open = new Map<Duplex, SocketWatch>();
  let closing: (() => void) | undefined;

  const registry: SocketRegistry = {
    add(socket) {
      open.set(socket, new SocketWatch(socket));
      socket.on('close', () => {
        open.delete(socket);
        if (open.size === 0) closing?.();
      });
    },
    watch: (socket) => open.get(socket),
  };
  return {
    agentFor({ endpoint, connection, identity }) {
      const name = `${endpointKey(endpoint.instance)} ${identity ?? ''}`;
      let pool = pools.get(name);
      if (pool === undefined) {
        pool = new EndpointPool({ endpoint, identity }, options, registry);
        pools.set(name, pool);
      }
      if (connection === 'fresh') pool.closeIdle();
      return pool;
    },
    carries(socket, response) {
      open.get(socket)?.carries(response);
    },
    handOver(socket) {
      open.get(socket)?.handOver();
    },
    retain(live) {
      for (const [name, pool] of pools) {
        if (live.has(pool.key)) continue;
        pool.retire();
        pools.delete(name);
      }
    },
    size: () => open.size,
    close() {
      return new Promise((resolve) => {
        closing = resolve;
        if (open.size === 0) resolve();
        for (const pool of pools.values()) pool.retire();
        pools.clear();
        for (const socket of open.keys()) socket.destroy();
      });
    },
  };
}

/** The open connections of all pools. */
interface SocketRegistry {
  add(socket: Socket): void;
  watch(socket: Duplex): SocketWatch | undefined;
}

/**
 * Watches one connection for bytes that no request has asked for. node:http keeps reading a connection between exchanges and throws the
 * bytes away, or takes them for the next answer (CVE-2026-48931); here they close it.
 */
class SocketWatch {
  readonly #socket: Socket;
  #state: 'idle' | 'busy' = 'busy';
  #response: IncomingMessage | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', this.#surplus);
    socket.on('end', this.#surplus);
  }

  carries(response: IncomingMessage): void {
    this.#response = response;
  }

  handOver(): void {
    this.#socket.off('data', this.#surplus);
    this.#socket.off('end', this.#surplus);
  }

  /** How long the connection may idle now: the pool's time, or less where the instance has said so; 0 for not at all. */
  rest(idleMs: number): number {
    this.#state = 'idle';
    const hint = /(?:^|,)\s*timeout=(\d{1,6})/.exec(String(this.#response?.headers['keep-alive']))?.[1];
    this.#response = undefined;
    return hint === undefined ? idleMs : Math.min(idleMs, Math.max(0, Number(hint) * 1000 - hintMarginMs));
  }

  wake(): void {
    this.#state = 'busy';
  }

  readonly #surplus = (): void => {
    if (this.#state === 'busy' && this.#response?.complete !== true) return;
    this.#socket.destroy();
    // Leaves the pool at once, not only with the close event, so that the pool never gives out a dead connection.
    this.#socket.emit('agentRemove');
  };
}

/** Where a pool's connections lead. */
interface Peer {
  readonly endpoint: Endpoint;
  readonly identity: string | undefined;
}

class EndpointPool extends Agent implements EndpointAgent {
  /** Of its endpoint. */
  readonly key: string;
  readonly #peer: Peer;
  readonly #options: PoolOptions;
  readonly #registry: SocketRegistry;
  state: 'live' | 'retired' = 'live';

  constructor(peer: Peer, options: PoolOptions, registry: SocketRegistry) {
    super({ keepAlive: true, scheduling: 'lifo', maxFreeSockets: maxIdle });
    this.key = endpointKey(peer.endpoint.instance);
    this.#peer = peer;
    this.#options = options;
    this.#registry = registry;
  }

  override createConnection(
    { pendingConnect }: ClientRequestArgs & { readonly pendingConnect?: PendingConnect },
    opened: (error: Error | null, socket?: Duplex) => void,
  ): Socket | undefined {
    let socket: Socket;
    try {
      socket = this.#connect();
    } catch (impossible) {
      // The registry can name an address or port that is impossible.
      opened(impossible instanceof Error ? impossible : new Error('no connection', { cause: impossible }));
      return undefined;
    }
    const { endpoint, identity: expected } = this.#peer;
    if (expected === undefined) return socket;
    pendingConnect?.begin(socket);
    checkIdentity(socket, { instance: endpoint.instance, expected }, (error) => {
      pendingConnect?.end();
      if (error === undefined) opened(null, socket);
      else opened(error);
    });
    return undefined;
  }

  #connect(): Socket {
    const { address, port } = this.#peer.endpoint.instance;
    // Half-open, so that a tunnel can pass on the end of one direction; for HTTP exchanges node:http closes on either end.
    const socket = createConnection({
      host: address,
      port,
      lookup: this.#options.lookup,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: probeAfterMs,
    });
    // node:http writes heads without naming an encoding: RFC 9110 §5.5 bytes 0x80–0xff would come out as UTF-8.
    socket.setDefaultEncoding('latin1');
    // node:http leaves moments without a listener, in which a reset would end the process. It reports what it must elsewhere.
    socket.on('error', () => undefined);
    this.#registry.add(socket);
    return socket;
  }

  override keepSocketAlive(socket: Duplex): boolean {
    const restMs = this.#registry.watch(socket)?.rest(this.#options.idleMs) ?? 0;
    if (this.state === 'retired' || restMs === 0 || !(socket instanceof Socket)) return false;
    // The agent destroys a connection that times out in its pool.
    socket.setTimeout(restMs);
    return true;
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    super.reuseSocket(socket, request);
    this.#registry.watch(socket)?.wake();
    if (socket instanceof Socket) socket.setTimeout(0);
  }

  closeIdle(): void {
    for (const sockets of Object.values(this.freeSockets))
      for (const socket of sockets ?? []) socket.destroy();
  }

  /** Closes idle connections now and busy ones after their exchange. */
  retire(): void {
    this.state = 'retired';
    this.closeIdle();
  }
}
