import type { ErrorCode } from '../exchange/errors.ts';
import type { BodyTransform } from '../exchange/seam.ts';
import { hasFramingField } from '../http/field-roles.ts';
import { pieceBytes, pieceText } from './body-piece.ts';
import type { BodyForm, BodyPiece, ClientPort, Flow, InstancePort } from './ports.ts';
import type { ProxyContext } from './proxy-context.ts';
import { TransformedBody } from './transformed-body.ts';

/**
 * A request body on its way from the client to an instance. Trailers of requests are read, judged and dropped: an instance has no way
 * to say that it wants any (R39).
 */
export class Upload {
  readonly #client: ClientPort;
  readonly #context: ProxyContext;
  #instance: InstancePort | undefined;
  #transformed: TransformedBody | undefined;
  /** Why it can't go on, after `carry` has returned `faulty`. */
  fault: ErrorCode = 'bad_framing';
  /** All that there is to send before the next piece, in `form`; latin1. For another attempt it grows by what is sent. */
  kept: string;
  form: BodyForm = 'content';
  /** Whether something has been sent that is not kept. */
  lost = false;

  constructor(client: ClientPort, context: ProxyContext) {
    this.#client = client;
    this.#context = context;
    this.kept = client.smallBody;
  }

  get contentBytes(): number {
    return this.#client.body?.contentBytes ?? this.#client.smallBody.length;
  }

  /** Whether the client has sent all of it. */
  get done(): boolean {
    return this.#client.body === undefined || this.#client.body.state === 'done';
  }

  /** Whether all that has been sent can be sent again. */
  get replayable(): boolean {
    return !this.lost && this.kept.length <= this.#context.replayBytes;
  }

  /** What is kept and what comes goes to this instance, through `transform`. */
  start(instance: InstancePort, transform: BodyTransform | undefined): void {
    this.#instance = instance;
    if (transform === undefined || this.#transformed !== undefined) return;
    this.#transformed = new TransformedBody(transform);
    if (this.#client.body === undefined) this.kept = this.#transformed.ofText(this.kept);
    else this.#client.body.contentOnly();
  }

  /** A response goes to the client: there won't be another attempt. */
  forget(): void {
    this.kept = '';
    this.lost = true;
  }

  /** Passes a piece on. `full`: the instance takes no more for now. `faulty`: see `fault`. */
  carry(given: BodyPiece): Flow | 'done' | 'faulty' {
    const fault = this.#judge(given);
    if (fault !== undefined || this.#instance === undefined) {
      this.fault = fault ?? 'internal';
      this.forget();
      return 'faulty';
    }
    const piece = this.#transformed?.of(given) ?? given;
    this.form = piece.form;
    const flow = this.#instance.send(piece, this.#keep(piece));
    if (piece.state === 'done') return 'done';
    if (flow === 'flowing' && piece.expectsLarge) piece.source?.expectLarge();
    return flow;
  }

  /** Keeps a piece, as long as everything so far can be kept. Returns its text then. */
  #keep(piece: BodyPiece): string | undefined {
    if (this.lost) return undefined;
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
    if (piece.state === 'faulty' || hasFramingField(piece.trailers)) return 'bad_framing';
    const { bodyBytes } = this.#context.limits;
    return bodyBytes > 0 && piece.contentBytes > bodyBytes ? 'content_too_large' : undefined;
  }
}
