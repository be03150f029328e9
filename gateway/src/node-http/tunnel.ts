import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';

import type { ExchangeEnd } from '../exchange/seam.ts';
import type { TimeoutWheel } from '../proxy/timeout-wheel.ts';
import { closeFrame, goingAway, serviceRestart } from '../proxy/websocket-frames.ts';
import { WebSocketWay } from '../proxy/websocket-way.ts';
import { startPump, type Pump, type PumpSink } from './pump.ts';
import { WheelTimer } from './wheel-timer.ts';

/** How long a client has to answer our Close with its own. */
const replyMs = 1_000;
/** How long the last bytes of a tunnel may take to arrive. */
const lingerMs = 2_000;

export interface TunnelOptions {
  /** Without a byte in either direction for this long, both connections are closed. */
  readonly idleMs: number;
  /** Bytes that the client sent before the tunnel stood. */
  readonly early: readonly Buffer[];
  /** Bytes of the instance that came with its 101. */
  readonly first: Buffer;
  readonly wheel: TimeoutWheel;
  /** Whether the instance is to go: it drains, or is not registered any more. */
  readonly instance: () => 'staying' | 'leaving';
  /** Called once when both connections are closed or given up. */
  readonly ended: (end: ExchangeEnd) => void;
}

/** A WebSocket between a client and an instance. */
export interface Tunnel {
  /** It ends in order after `ms`, because the gateway stops: both sides get a Close frame. */
  leaveAfter(ms: number): void;
  /** Destroys both connections; `ended` hears of it. */
  cut(kind: ExchangeEnd['kind']): void;
}

/**
 * Passes bytes both ways between two connections that have switched to WebSocket: each direction no faster than its reader, the
 * end of one direction passed on without ending the other (RFC 9110 §7.8), a broken connection shown to the other side by a
 * reset. When the gateway leaves, or the instance did as it was to, the client is told to come back by a Close frame (1012).
 */
export function openTunnel(client: Socket, upstream: Socket, options: TunnelOptions): Tunnel {
  const { idleMs, wheel } = options;
  const clientWay = new WebSocketWay((bytes) => (client.write(bytes) ? 'flowing' : 'full'));
  const instanceWay = new WebSocketWay((bytes) => (upstream.write(bytes) ? 'flowing' : 'full'));
  let requestBytes = 0;
  let responseBytes = 0;
  let endedDirections = 0;
  let closedConnections = 0;
  let over: 'no' | 'yes' = 'no';
  let replying: 'no' | 'yes' = 'no';
  const idle = new WheelTimer(wheel, () => {
    cut('complete');
  });
  const departure = new WheelTimer(wheel, () => {
    leave();
  });
  const reply = new WheelTimer(wheel, () => {
    part();
  });
  idle.set(idleMs);

  const finish = (kind: ExchangeEnd['kind']): void => {
    if (over === 'yes') return;
    over = 'yes';
    for (const timer of [idle, departure, reply]) timer.end();
    toUpstream.stop();
    toClient.stop();
    options.ended({ kind, requestBytes, responseBytes });
  };
  const cut = (kind: ExchangeEnd['kind']): void => {
    client.destroy();
    upstream.destroy();
    finish(kind);
  };
  /** The client has had its last frame, and has answered or had the time to. */
  const part = (): void => {
    if (over === 'yes') return;
    finish('complete');
    letGo(client, wheel);
    letGo(upstream, wheel);
  };
  const left = (): boolean => clientWay.state === 'closed';
  const awaitReply = (): void => {
    if (!left()) return;
    if (instanceWay.closeSeen === 'yes') {
      part();
    } else if (replying === 'no') {
      replying = 'yes';
      reply.set(replyMs);
    }
  };
  const leave = (): void => {
    clientWay.leave(Buffer.from(closeFrame(serviceRestart, undefined)));
    instanceWay.leave(Buffer.from(closeFrame(goingAway, randomBytes(4))));
    awaitReply();
  };
  /** Whether the client could be told of the end of an instance that goes as it was to; one that just dies has no such excuse. */
  const excused = (): boolean => {
    if (options.instance() === 'staying') return false;
    clientWay.leave(Buffer.from(closeFrame(serviceRestart, undefined)));
    awaitReply();
    return left();
  };
  /** One direction has ended. The other goes on; a connection closes by itself when both have. */
  const halfEnded = (sink: Socket): void => {
    endedDirections += 1;
    sink.end();
  };
  const closed = (other: Socket, kind: ExchangeEnd['kind']): void => {
    closedConnections += 1;
    if (endedDirections < 2) {
      other.resetAndDestroy();
      finish(kind);
    } else if (closedConnections === 2) {
      finish('complete');
    }
  };
  client.on('error', () => undefined);
  client.on('close', () => {
    if (over === 'yes') return;
    if (left()) part();
    else closed(upstream, 'client_closed');
  });
  upstream.on('close', () => {
    if (over === 'yes' || left() || excused()) return;
    closed(client, 'response_incomplete');
  });
  client.setTimeout(0);
  upstream.setTimeout(0);

  const carry = (way: WebSocketWay, bytes: Buffer): boolean =>
    way.carry(bytes, 0, bytes.length) === 'flowing';
  for (const chunk of options.early) {
    requestBytes += chunk.length;
    carry(instanceWay, chunk);
  }
  if (options.first.length > 0) {
    responseBytes += options.first.length;
    carry(clientWay, options.first);
  }
  const toUpstream: Pump = startPump(
    client,
    sinkOf(upstream, (bytes) => {
      const flowing = carry(instanceWay, bytes);
      awaitReply();
      return flowing;
    }),
    {
      chunk(bytes) {
        requestBytes += bytes;
        idle.set(idleMs);
      },
      end: () => {
        if (left()) part();
        else halfEnded(upstream);
      },
    },
  );
  const toClient: Pump = startPump(
    upstream,
    sinkOf(client, (bytes) => {
      const flowing = carry(clientWay, bytes);
      awaitReply();
      return flowing;
    }),
    {
      chunk(bytes) {
        responseBytes += bytes;
        idle.set(idleMs);
      },
      end: () => {
        if (!left() && !excused()) halfEnded(client);
      },
    },
  );
  return {
    leaveAfter(ms) {
      if (over === 'no') departure.set(ms);
    },
    cut,
  };
}

/** Writes by `write` and says when its socket takes more. */
function sinkOf(socket: Socket, write: (bytes: Buffer) => boolean): PumpSink {
  return {
    write,
    on: (event, listener) => socket.on(event, listener),
    off: (event, listener) => socket.off(event, listener),
  };
}

/** Ends a connection so that its last bytes arrive: what still comes is read and dropped, for a while. */
function letGo(socket: Socket, wheel: TimeoutWheel): void {
  if (socket.destroyed) return;
  const timer = new WheelTimer(wheel, () => {
    socket.destroy();
  });
  timer.set(lingerMs);
  socket.on('close', () => {
    timer.end();
  });
  socket.on('end', () => {
    socket.destroy();
  });
  socket.end();
  socket.resume();
  if (socket.readableEnded) socket.destroySoon();
}
