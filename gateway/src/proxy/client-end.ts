import type { ExchangeRun } from './exchange-run.ts';
import { halfClosedMs } from './stage.ts';

/**
 * RFC 9110 §15.2: every client must take any number of 1xx. One that is gone answers the first with a reset, which only the
 * second can find.
 */
const probe = 'HTTP/1.1 102 Processing\r\n\r\n';
const maxProbes = 2;

/**
 * What a client means that ends its side before it has an answer: in the middle of its request it has left; after it, it may have
 * left or still wait (R40), which only interim responses can find out.
 */
export class ClientEnd {
  readonly #run: ExchangeRun;
  #probes = 0;

  constructor(run: ExchangeRun) {
    this.#run = run;
  }

  heard(): void {
    const { uploading, client, context } = this.#run;
    // The rest of its request may be here and only wait to be sent on.
    if (uploading && client.ahead === 'no') client.destroy('plain');
    else context.wheel.arm(client.timeout, halfClosedMs);
  }

  /** The client's timeout has come. */
  ask(): void {
    const { client, context, request } = this.#run;
    if (client.input !== 'ended' || request.version === '1.0' || this.#probes === maxProbes) return;
    this.#probes += 1;
    client.socket.write(probe, 'latin1');
    context.wheel.arm(client.timeout, 0);
  }
}
