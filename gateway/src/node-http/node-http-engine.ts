import { createServer, IncomingMessage, type ServerOptions, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

import { hasBody, isWebSocketUpgrade, offeredUpgrade } from '../http/connection.ts';
import { requestFraming } from '../http/framing.ts';
import { readHeaders } from '../http/header-facts.ts';
import type { Engine, EngineOptions } from '../listeners/engine.ts';
import { TrafficListener } from '../listeners/traffic-listener.ts';
import type { ListenerLimits } from '../http/limits.ts';
import { ReadBuffers } from '../sockets/read-buffer.ts';
import { processTicker, TimeoutWheel } from '../sockets/timeout-wheel.ts';
import { UpstreamPools } from '../upstreams/upstream-pools.ts';
import { NodeClientConnection } from './client-connection.ts';
import { createNodeInstances } from './instance-request.ts';

/**
 * The compatible engine: node:http towards clients, http-proxy towards instances, under the same run as every other engine. What it
 * can't forward safely it refuses: methods that Node's parser doesn't know (400), CONNECT, transfer codings but chunked (501),
 * HTTP/0.9 and 2.0 (505). A new limit of `headBytes` above the one it started with has no effect. Ended by `stop`.
 */
export function createNodeHttpEngine(options: EngineOptions): Engine {
  const wheel = new TimeoutWheel(processTicker);
  const buffers = new ReadBuffers(options.memory);
  const pools = new UpstreamPools({
    wheel,
    buffers,
    idleMs: options.poolIdleMs,
    lookup: options.lookup,
    maxConnections: options.maxUpstreamConnections,
    onExhausted: options.onExhausted,
  });
  const connections = new WeakMap<Duplex, NodeClientConnection>();
  const server = createServer({
    ...serverOptions(options.limits),
    // Behind another request the response would lose its connection with the parser.
    IncomingMessage: switchingMessage((socket) => connections.get(socket)?.free ?? true),
  });
  // 0 for all: with a limit Node ≤ 24.18.0 hides the lines behind it and still obeys them (CVE-2026-58044).
  server.maxHeadersCount = 0;
  // Not documented: without it node:http drops a request whose client has ended its side (R40).
  Object.assign(server, { httpAllowHalfOpen: true });

  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    connections.get(request.socket)?.request(request, response);
  };
  const onLeft = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    connections.get(socket)?.left(request, head);
  };
  server.on('request', onRequest);
  // Without these node:http would answer 100 or 417 by itself; both are for the exchange and the instance (RFC 9110 §10.1.1).
  server.on('checkContinue', onRequest);
  server.on('checkExpectation', onRequest);
  server.on('upgrade', onLeft);
  server.on('connect', onLeft);
  server.on('clientError', (error, socket) => {
    connections.get(socket)?.broken(error);
  });
  return new TrafficListener(
    {
      name: 'http-proxy',
      server,
      wheel,
      pools,
      turns: buffers.turns,
      instances: createNodeInstances(pools),
      connect: (socket, parts) => {
        const connection = new NodeClientConnection(socket, parts);
        connections.set(socket, connection);
        return connection;
      },
      applyLimits: (given) => {
        server.headersTimeout = given.requestHeadMs;
      },
    },
    options,
  );
}

function serverOptions(limits: ListenerLimits): ServerOptions {
  return {
    // Strict whatever `--insecure-http-parser` says.
    insecureHTTPParser: false,
    // Twice the limit, so that a long target (414) can be told from long fields (431).
    maxHeaderSize: limits.headBytes * 2,
    headersTimeout: limits.requestHeadMs,
    // Default 30 s, by which every timeout would come late.
    connectionsCheckingInterval: Math.min(1_000, Math.ceil(limits.requestHeadMs / 4)),
    // Uploads are bounded by their progress, not by their length.
    requestTimeout: 0,
    // Idle connections are closed by their owner.
    keepAliveTimeout: 0,
    // Finds clients that vanished without a word.
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    noDelay: true,
    // The exchange judges Host, for all engines alike.
    requireHostHeader: false,
  };
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
      return typeof body !== 'string' && !hasBody({ body });
    }

    set upgrade(value: unknown) {
      this.parsed = value;
    }
  };
}
