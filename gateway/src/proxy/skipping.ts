import type { ExchangeRun } from './exchange-run.ts';
import type { Stage } from './stage.ts';
import type { Upload } from './upload.ts';

/**
 * The stage after an answer of the gateway's own: the rest of a body that nobody wants is read over; then the next request may come
 * (R35). For the exchange everything is over.
 */
export class Skipping implements Stage {
  readonly responseBytes = 0;
  readonly requestBytes = undefined;
  readonly #run: ExchangeRun;
  readonly #upload: Upload;

  constructor(run: ExchangeRun, upload: Upload) {
    this.#run = run;
    this.#upload = upload;
    run.context.wheel.arm(run.client.timeout, run.context.limits.requestHeadMs);
  }

  clientBytes(bytes: Buffer, from: number, to: number): number {
    const { client, context } = this.#run;
    const end = this.#upload.skip(bytes, from, to);
    if (this.#upload.state === 'done') {
      context.wheel.disarm(client.timeout);
      client.exchangeOver('keep');
    } else if (client.input === 'ended') {
      client.close();
    }
    return end;
  }

  clientDrained(): void {
    // The answer has been written; nothing waits for it to leave.
  }

  clientEnded(): void {
    this.#run.client.close();
  }

  clientTimedOut(): void {
    this.#run.client.destroy('plain');
  }

  expired(): void {
    // The exchange is over.
  }

  abandon(): undefined {
    // There is no instance.
  }
}
