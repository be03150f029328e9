import type { Socket } from 'node:net';

import type { ExchangeEnd } from '../../exchange/seam.ts';
import type { TimeoutWheel } from '../timeout-wheel.ts';
import { startPump } from './pump.ts';
import { WheelTimer } from './wheel-timer.ts';

export interface TunnelOptions {
  /** Without a byte in either direction for this long, both connections are closed. */
  readonly idleMs: number;
  /** Bytes that the client sent before the tunnel stood. */
  readonly early: readonly Buffer[];
  /** Bytes of the instance that came with its 101. */
  readonly first: Buffer;
  readonly wheel: TimeoutWheel;
  /** Called once when both connections are closed or given up. */
  readonly ended: (end: ExchangeEnd) => void;
}

export interface Tunnel {
  /** Destroys both connections; `ended` hears of it. */
  cut(kind: ExchangeEnd['kind']): void;
}

/**
 * Passes bytes both ways between two connections that have switched protocols: each direction no faster than its reader, the
 * end of one direction passed on without ending the other (RFC 9110 §7.8), a broken connection shown to the other side by a
 * reset.
 */
export function openTunnel(client: Socket, upstream: Socket, options: TunnelOptions): Tunnel {
  let requestBytes = 0;
  let responseBytes = 0;
  let endedDirections = 0;
  let closedConnections = 0;
  let over: 'no' | 'yes' = 'no';
  const idle = new WheelTimer(options.wheel, () => {
    cut('complete');
  });
  idle.set(options.idleMs);

  const finish = (kind: ExchangeEnd['kind']): void => {
    if (over === 'yes') return;
    over = 'yes';
    idle.end();
    toUpstream.stop();
    toClient.stop();
    options.ended({ kind, requestBytes, responseBytes });
  };
  const cut = (kind: ExchangeEnd['kind']): void => {
    client.destroy();
    upstream.destroy();
    finish(kind);
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
    } else if (closedConnections === 2) finish('complete');
  };
  client.on('error', () => undefined);
  client.on('close', () => {
    closed(upstream, 'client_closed');
  });
  upstream.on('close', () => {
    closed(client, 'response_incomplete');
  });
  client.setTimeout(0);
  upstream.setTimeout(0);

  for (const chunk of options.early) {
    requestBytes += chunk.length;
    upstream.write(chunk);
  }
  if (options.first.length > 0) {
    responseBytes += options.first.length;
    client.write(options.first);
  }
  const toUpstream = startPump(client, upstream, {
    chunk(bytes) {
      requestBytes += bytes;
      idle.set(options.idleMs);
    },
    end: () => {
      halfEnded(upstream);
    },
  });
  const toClient = startPump(upstream, client, {
    chunk(bytes) {
      responseBytes += bytes;
      idle.set(options.idleMs);
    },
    end: () => {
      halfEnded(client);
    },
  });
  return { cut };
}
