import type { OneShotTimer } from '../sockets/one-shot-timer.ts';
import type { HalfClose, StageHost } from './stage.ts';

/** How long a client that has ended its side may hear nothing before it is probed or taken for gone (R40). */
const halfClosedMs = 20;

/**
 * RFC 9110 §15.2: every client must accept any number of 1xx responses. A client that is gone answers the first write with a reset,
 * which only the second write finds.
 */
const probe = { status: 102, reason: 'Processing', fields: [] };
const maxProbes = 2;

/**
 * Finds out what a client means that ends its side before it has an answer. In the middle of its request it has left. After it, it
 * has left or still waits (R40); interim responses show which.
 */
export class HalfCloseProbe implements HalfClose {
  readonly #host: StageHost;
  #probes = 0;
  #timer: OneShotTimer | undefined;

  constructor(host: StageHost) {
    this.#host = host;
  }

  clientEnded(): void {
    const { uploading, client } = this.#host;
    // The rest of its request may be here and only wait to be sent on.
    if (uploading && !client.ahead) client.destroy('plain');
    else this.#probeAfter(halfClosedMs);
  }

  awaitResponse(gone: () => void): void {
    this.#timer?.clear();
    this.#timer = this.#host.timer(halfClosedMs, gone);
  }

  stop(): void {
    this.#timer?.clear();
  }

  #probeAfter(ms: number): void {
    this.#timer?.clear();
    this.#timer = this.#host.timer(ms, () => {
      const { client, request } = this.#host;
      if (request.version === '1.0' || this.#probes === maxProbes) return;
      this.#probes += 1;
      client.response.interim(probe);
      this.#probeAfter(0);
    });
  }
}
