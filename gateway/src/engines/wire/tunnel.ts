import type { Socket } from 'node:net';

import { sendCopy } from './body-sender.ts';
import type { UpstreamConnection } from './upstream-connection.ts';

/** What a tunnel asks of the client connection it runs on. */
export interface TunnelClient {
  readonly socket: Socket;
  pauseReading(): void;
  resumeReading(): void;
}

/**
 * Bytes both ways after an agreed upgrade (RFC 9110 §7.8), each way with its own end: a side that has finished is told on, the
 * other goes on. `over` when both have. The idle timeout runs on the connection to the instance and hears of both ways.
 */
export class Tunnel {
  readonly #client: TunnelClient;
  readonly #upstream: UpstreamConnection;
  readonly #idleMs: number;
  #open = 2;
  clientBytes = 0;
  upstreamBytes = 0;

  constructor(client: TunnelClient, upstream: UpstreamConnection, idleMs: number) {
    this.#client = client;
    this.#upstream = upstream;
    this.#idleMs = idleMs;
    upstream.arm(idleMs);
  }

  get state(): 'open' | 'over' {
    return this.#open === 0 ? 'over' : 'open';
  }

  /** Bytes of the client, valid during the call. */
  fromClient(bytes: Buffer): void {
    this.clientBytes += bytes.length;
    this.#upstream.arm(this.#idleMs);
    if (sendCopy(this.#upstream.socket, bytes) === 'full') this.#client.pauseReading();
  }

  /** Bytes of the instance, valid during the call. */
  fromUpstream(bytes: Buffer): void {
    this.upstreamBytes += bytes.length;
    this.#upstream.arm(this.#idleMs);
    if (sendCopy(this.#client.socket, bytes) === 'full') this.#upstream.socket.pause();
  }

  clientDrained(): void {
    this.#upstream.arm(this.#idleMs);
    this.#upstream.socket.resume();
  }

  upstreamDrained(): void {
    this.#upstream.arm(this.#idleMs);
    this.#client.resumeReading();
  }

  clientEnded(): void {
    this.#open -= 1;
    this.#upstream.socket.end();
  }

  upstreamEnded(): void {
    this.#open -= 1;
    this.#client.socket.end();
  }
}
