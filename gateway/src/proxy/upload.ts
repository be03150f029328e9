import type { ErrorCode } from '../exchange/errors.ts';
import { pieceBytes, pieceText } from './body-piece.ts';
import type { BodyPiece, ClientPort, Flow, InstancePort } from './ports.ts';
import type { ProxyContext } from './proxy-context.ts';

/**
 * A request body on its way from the client to an instance. Trailers of requests are read, judged and dropped: an instance has no way
 * to say that it wants any (R39).
 */
export class Upload {
  readonly #client: ClientPort;
  readonly #context: ProxyContext;
  #instance: InstancePort | undefined;
  /** Why it can't go on, after `carry` has returned `faulty`. */
  fault: ErrorCode = 'bad_framing';
  /** All that has been sent of it, framing included, for another attempt; latin1. */
  kept = '';
  /** False once something has been sent that is not kept. */
  replayable = true;

  constructor(client: ClientPort, context: ProxyContext) {
    this.#client = client;
    this.#context = context;
  }

  get contentBytes(): number {
    return this.#client.body?.contentBytes ?? 0;
  }

  /** Whether the client has sent all of it. */
  get done(): boolean {
    return this.#client.body?.state === 'done';
  }

  /** The head and what is kept have been sent to this instance: what comes goes there, too. */
  start(instance: InstancePort): Flow {
    this.#instance = instance;
    return instance.flow;
  }

  /** A response goes to the client: there won't be another attempt. */
  forget(): void {
    this.kept = '';
    this.replayable = false;
  }

  /** Passes a piece on. `full`: the instance takes no more for now. `faulty`: see `fault`. */
  carry(piece: BodyPiece): Flow | 'done' | 'faulty' {
    const fault = this.#judge(piece);
    if (fault !== undefined || this.#instance === undefined) {
      this.fault = fault ?? 'internal';
      this.forget();
      return 'faulty';
    }
    const flow = this.#instance.send(piece, this.#keep(piece));
    if (piece.state === 'done') return 'done';
    if (flow === 'flowing' && piece.expectsLarge) piece.source?.expectLarge();
    return flow;
  }

  /** Keeps a piece, as long as everything so far can be kept. Returns its text then. */
  #keep(piece: BodyPiece): string | undefined {
    if (!this.replayable) return undefined;
    const total = this.kept.length + pieceBytes(piece) + (piece.leftBytes ?? 0);
    if (total > this.#context.replayBytes) {
      this.forget();
      return undefined;
    }
    const text = pieceText(piece);
    this.kept += text;
    return text;
  }

  #judge(piece: BodyPiece): ErrorCode | undefined {
    if (piece.state === 'faulty' || piece.framingTrailer) return 'bad_framing';
    const { bodyBytes } = this.#context.limits;
    return bodyBytes > 0 && piece.contentBytes > bodyBytes ? 'content_too_large' : undefined;
  }
}
