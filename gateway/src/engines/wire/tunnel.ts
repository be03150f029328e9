import { sendCopy } from './body-sender.ts';
import type { ExchangeRun } from './exchange-run.ts';
import type { Stage } from './stage.ts';
import type { UpstreamConnection } from './upstream-connection.ts';

/** How long the last bytes of a tunnel may take to arrive. */
const lingerMs = 2_000;

/**
 * Bytes both ways after an agreed upgrade (RFC 9110 §7.8), each way with its own end: a side that has finished is told on, the
 * other goes on. The idle timeout runs on the connection to the instance and hears of both ways.
 */
export class Tunnel implements Stage {
  readonly #run: ExchangeRun;
  readonly #upstream: UpstreamConnection;
  readonly #idleMs: number;
  /** Ways that are still open. */
  #open = 2;
  requestBytes = 0;
  responseBytes = 0;

  constructor(run: ExchangeRun, upstream: UpstreamConnection, idleMs: number) {
    this.#run = run;
    this.#upstream = upstream;
    this.#idleMs = idleMs;
    upstream.arm(idleMs);
  }

  clientBytes(bytes: Buffer, from: number, to: number): number {
    this.requestBytes += to - from;
    this.#upstream.arm(this.#idleMs);
    const fullness = sendCopy(this.#upstream.socket, bytes.subarray(from, to));
    if (fullness === 'full') this.#run.client.pauseReading();
    return to;
  }

  upstreamBytes(bytes: Buffer, from: number, to: number): void {
    this.responseBytes += to - from;
    this.#upstream.arm(this.#idleMs);
    const fullness = sendCopy(this.#run.client.socket, bytes.subarray(from, to));
    if (fullness === 'full') this.#upstream.socket.pause();
  }

  clientDrained(): void {
    this.#upstream.arm(this.#idleMs);
    this.#upstream.socket.resume();
  }

  upstreamDrained(): void {
    this.#upstream.arm(this.#idleMs);
    this.#run.client.resumeReading();
  }

  clientEnded(): void {
    this.#upstream.socket.end();
    this.#wayEnded();
  }

  upstreamEnded(): void {
    this.#run.client.socket.end();
    this.#wayEnded();
  }

  upstreamLost(): void {
    this.#upstream.destroy();
    this.#run.cut('response_incomplete', 'reset');
  }

  upstreamTimedOut(): void {
    this.#upstream.destroy();
    this.#run.cut('complete', 'plain');
  }

  upstreamConnected(): void {
    // It is.
  }

  clientTimedOut(): void {
    // The connection to the instance has the timeout.
  }

  faulted(fault: unknown): void {
    this.#run.faulted(fault);
  }

  abandon(): undefined {
    this.#upstream.reset();
  }

  #wayEnded(): void {
    this.#open -= 1;
    if (this.#open > 0) return;
    // Both ways are ended; what is still on its way gets a moment to arrive.
    this.#upstream.user = undefined;
    this.#upstream.arm(lingerMs);
    this.#run.complete('close');
  }
}
