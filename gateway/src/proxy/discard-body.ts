import type { BodyPiece } from './ports.ts';
import { Stage, type StageHost } from './stage.ts';

/**
 * The stage after an answer of the gateway's own: the rest of the request body is read and dropped, so that the next request can be
 * found behind it (R35). For the exchange everything is over.
 */
export class DiscardBody extends Stage {
  constructor(host: StageHost) {
    super(host);
    const { client, context } = host;
    context.wheel.arm(client.timeout, context.limits.requestHeadMs);
  }

  override get takes(): 'body' {
    return 'body';
  }

  override clientBody(piece: BodyPiece): void {
    const { client, context } = this.host;
    if (piece.state === 'done') {
      context.wheel.disarm(client.timeout);
      client.done('keep');
    } else if (piece.state === 'faulty' || client.input === 'ended') {
      client.close();
    }
  }

  override clientEnded(): void {
    this.host.client.close();
  }

  override clientTimedOut(): void {
    this.host.client.destroy('plain');
  }
}
