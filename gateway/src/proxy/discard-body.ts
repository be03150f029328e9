import type { BodyPiece } from './ports.ts';
import type { Stage, StageHost } from './stage.ts';

/**
 * The stage after an answer of the gateway's own: the rest of the request body is read and dropped, so that the next request can be
 * found behind it (R35). For the exchange everything is over.
 */
export class DiscardBody implements Stage {
  readonly responseBytes = 0;
  readonly requestBytes = undefined;
  readonly takes = 'body';
  readonly #host: StageHost;

  constructor(host: StageHost) {
    this.#host = host;
    const { client, context } = host;
    context.wheel.arm(client.timeout, context.limits.requestHeadMs);
  }

  clientBody(piece: BodyPiece): void {
    const { client, context } = this.#host;
    if (piece.state === 'done') {
      context.wheel.disarm(client.timeout);
      client.done('keep');
    } else if (piece.state === 'faulty' || client.input === 'ended') {
      client.close();
    }
  }

  clientRaw(): void {
    // There is no new protocol.
  }

  clientDrained(): void {
    // The answer has been written; nothing waits for it to leave.
  }

  clientEnded(): void {
    this.#host.client.close();
  }

  clientTimedOut(): void {
    this.#host.client.destroy('plain');
  }

  expired(): void {
    // The exchange is over.
  }

  abandon(): undefined {
    // There is no instance.
  }
}
