import { createServer, IncomingMessage, type ServerOptions, type ServerResponse } from 'node:http';
import { Server as TcpServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';

import type { ErrorCode } from '../exchange/errors.ts';
import { isWebSocketUpgrade, offeredUpgrade } from '../http/connection.ts';
import { requestFraming } from '../http/framing.ts';
import { readHeaders } from '../http/header-facts.ts';
import { monotonicNow } from '../lifecycle/clock.ts';
import { departureMs, type Drain } from '../proxy/departures.ts';
import type { BoundAddress, Engine, EngineOptions, ListenerLimits } from '../listeners/engine.ts';
import { processTicker, TimeoutWheel } from '../proxy/timeout-wheel.ts';
import {
  createClientConnection,
  lastRequestMs,
  type ClientConnection,
  type ConnectionContext,
} from './client-connection.ts';
import { createEndpointPools } from './endpoint-pools.ts';
import { clientFailure } from './failure.ts';
import { createForwarder } from './forwarder.ts';

/**
 * The compatible engine: node:http towards clients, http-proxy towards instances, both made safe. What it can't forward safely it
 * refuses: methods that Node's parser doesn't know (400), CONNECT, transfer codings but chunked (501), HTTP/0.9 and 2.0 (505).
 * It switches to WebSocket only; a request that asks for another protocol goes on without. Trailers are discarded both
 * ways (RFC 9110 §6.5.1). A client that ends its direction of the connection before it has its response has left. Ended by `stop`.
 */
export function createNodeHttpEngine(options: EngineOptions): Engine {
  const { limits } = options;
  const connections = new Map<Duplex, ClientConnection>();
  const wheel = new TimeoutWheel(processTicker);
  const pools = createEndpointPools({ idleMs: options.poolIdleMs, lookup: options.lookup });
  let mood: 'open' | 'discouraging' = 'open';
  let draining: Drain | undefined;
  let emptied: (() => void) | undefined;
  let stopping: Promise<number> | undefined;

  const context: ConnectionContext = {
    exchanges: options.exchanges,
    limits,
    pools,
    forwarder: createForwarder(),
    wheel,
    bodyBytes: limits.bodyBytes,
    replayBytes: options.replayBytes,
    onFault: options.onFault,
    persistence: () => (mood === 'open' ? 'keep' : 'close'),
    departsInMs: () =>
      draining === undefined ? undefined : departureMs(draining, monotonicNow(), Math.random()),
  };
  const exchangesOn = (socket: Duplex): number => connections.get(socket)?.exchanges() ?? 0;
  const server = createServer({
    ...serverOptions(limits),
    // Behind another request the response would lose its connection with the parser.
    IncomingMessage: switchingMessage((socket) => exchangesOn(socket) === 0),
  });
  // 0 for all: with a limit Node ≤ 24.18.0 hides the lines behind it from us and still obeys them (CVE-2026-58044).
  server.maxHeadersCount = 0;
  server.maxConnections = limits.connections;

  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    connections.get(request.socket)?.request(request, response);
  };
  const onLeft = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    connections.get(socket)?.left(request, head);
  };
  server.on('connection', (socket) => {
    connections.set(socket, createClientConnection(socket, context));
    socket.on('close', () => {
      connections.delete(socket);
      if (connections.size === 0) emptied?.();
    });
  });
  server.on('request', onRequest);
  // Without these node:http would answer 100 or 417 by itself; both are for the exchange and the instance (RFC 9110 §10.1.1).
  server.on('checkContinue', onRequest);
  server.on('checkExpectation', onRequest);
  server.on('upgrade', onLeft);
  server.on('connect', onLeft);
  server.on('clientError', (error, socket) => {
    connections.get(socket)?.broken(refusalOf(error, limits));
  });

  const discourage = (): void => {
    mood = 'discouraging';
  };
  const stop = async (drainMs: number): Promise<number> => {
    discourage();
    draining = { startedMs: monotonicNow(), drainMs };
    // A connection that the kernel has accepted and we haven't would be reset: one more turn of the loop takes those in.
    await turn();
    await turn();
    for (const connection of connections.values()) connection.leave(Math.min(lastRequestMs, drainMs / 2));
    // Not through node:http, whose close destroys connections with unflushed answers and ends its watch over slow heads.
    const closed = new Promise<void>((resolve) => {
      TcpServer.prototype.close.call(server, () => {
        resolve();
      });
    });
    const cut = await drain(
      connections,
      drainMs,
      new Promise((resolve) => {
        emptied = resolve;
        if (connections.size === 0) resolve();
      }),
    );
    await Promise.all([closed, pools.close()]);
    wheel.stop();
    // Ends node:http's own timer; it has nothing else left to do.
    server.close();
    return cut;
  };
  return {
    name: 'http-proxy',
    listen: (address) =>
      new Promise<BoundAddress>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host: address.host, port: address.port }, () => {
          server.off('error', reject);
          // Failures to accept (EMFILE …) are passing; the listener goes on.
          server.on('error', options.onFault);
          const bound = server.address();
          if (bound === null || typeof bound === 'string') reject(new Error('bound to no port'));
          else resolve({ host: bound.address, port: bound.port });
        });
      }),
    discourage,
    stop: (drainMs) => (stopping ??= stop(drainMs)),
    retain: (live) => {
      pools.retain(live);
    },
    stats: () => ({
      clientConnections: connections.size,
      exchanges: [...connections.values()].reduce((sum, connection) => sum + connection.exchanges(), 0),
      upstreamConnections: pools.size(),
    }),
  };
}

/** Waits until all connections are closed; cuts them after `drainMs`. Resolves with the exchanges cut. */
async function drain(
  connections: ReadonlyMap<Duplex, ClientConnection>,
  drainMs: number,
  empty: Promise<void>,
): Promise<number> {
  let cut = 0;
  const deadline = setTimeout(() => {
    for (const connection of connections.values()) cut += connection.cut();
  }, drainMs);
  await empty;
  clearTimeout(deadline);
  return cut;
}

function serverOptions(limits: ListenerLimits): ServerOptions {
  return {
    // Strict whatever `--insecure-http-parser` says.
    insecureHTTPParser: false,
    // Twice our own limit, so that we can tell a long target (414) from long fields (431).
    maxHeaderSize: limits.headBytes * 2,
    headersTimeout: limits.requestHeadMs,
    // Default 30 s, by which every timeout would come late.
    connectionsCheckingInterval: Math.min(1_000, Math.ceil(limits.requestHeadMs / 4)),
    // Uploads are bounded by their progress, not by their length.
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveMs,
    // Finds clients that vanished without a word.
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    noDelay: true,
    // The exchange judges Host, for all engines alike.
    requireHostHeader: false,
  };
}

function refusalOf(error: Error, limits: ListenerLimits): ErrorCode | 'gone' {
  const code = clientFailure(error);
  if (code !== 'fields_too_large' || !('rawPacket' in error) || !(error.rawPacket instanceof Buffer))
    return code;
  // The request line alone was too long when no line of the head has ended by then.
  const line = error.rawPacket.subarray(0, limits.headBytes * 2);
  const startsHead = /^[A-Z-]{1,32} \S/.test(line.toString('latin1', 0, 64));
  return startsHead && !line.includes('\r\n') ? 'target_too_long' : code;
}

/**
 * Messages of which only a GET that offers WebSocket and has no body, over HTTP/1.1, counts as an upgrade. node:http would hand over the
 * connection for any `Upgrade`, from HTTP/1.0 too, with the body unread (R27–R29). It asks a message by its `upgrade`
 * property, after the fields are set.
 */
function switchingMessage(free: (socket: Socket) => boolean): typeof IncomingMessage {
  return class SwitchingMessage extends IncomingMessage {
    declare private parsed: unknown;

    get upgrade(): boolean {
      if (this.parsed !== true) return false;
      if (this.method === 'CONNECT') return true;
      if (this.method !== 'GET' || this.httpVersion !== '1.1') return false;
      const headers = readHeaders(this.rawHeaders);
      const upgrade = offeredUpgrade(headers, '1.1');
      if (!isWebSocketUpgrade({ upgrade, method: 'GET' }) || !free(this.socket)) return false;
      const body = requestFraming(headers, '1.1');
      return typeof body !== 'string' && body.kind === 'none';
    }

    set upgrade(value: unknown) {
      this.parsed = value;
    }
  };
}
