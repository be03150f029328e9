import type { ErrorCode } from '../exchange/errors.ts';
import type { BodyTransform } from '../exchange/seam.ts';
import { hasFramingField } from '../http/field-roles.ts';
import type { Expendable } from '../sockets/memory-budget.ts';
import { pieceBytes, writePieceInto } from './body-piece.ts';
import type { BodyForm, BodyPiece, ClientPort, Flow, InstancePort } from './ports.ts';
import type { ProxyContext } from './proxy-context.ts';
import { TransformedBody } from './transformed-body.ts';

const noBytes = Buffer.alloc(0);

/**
 * A request body on its way from the client to an instance. Trailers of requests are read, judged and dropped: an instance has no way
 * to say that it wants any (R39).
 */
export class Upload implements Expendable {
  next: Expendable | undefined = undefined;
  previous: Expendable | undefined = undefined;
  countedBytes = 0;
  readonly #client: ClientPort;
  readonly #context: ProxyContext;
  #instance: InstancePort | undefined;
  #transformed: TransformedBody | undefined;
  /** Why it can't go on, after `carry` has returned `faulty`. */
  fault: ErrorCode = 'bad_framing';
  form: BodyForm = 'content';
  /** Whether something has been sent that is not kept. */
  lost = false;

  /** The short body that came with its head, latin1. */
  #text = '';
  /** Any other: what has been sent so far, for another attempt. It grows as it is needed. */
  #kept: Buffer = noBytes;
  #keptBytes = 0;
  /** Whether a write that has not left may still read from `#kept`. */
  #lent = false;

  constructor(client: ClientPort, context: ProxyContext) {
    this.#client = client;
    this.#context = context;
    this.#setText(client.smallBody);
  }

  /** All that there is to send before the next piece, in `form`; latin1, made when it is asked for. */
  get kept(): string {
    return this.#keptBytes === 0 ? this.#text : this.#kept.toString('latin1', 0, this.#keptBytes);
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
    return !this.lost && this.#text.length <= this.#context.replayBytes;
  }

  /** What is kept and what comes goes to this instance, through `transform`. */
  start(instance: InstancePort, transform: BodyTransform | undefined): void {
    this.#instance = instance;
    if (transform === undefined || this.#transformed !== undefined) return;
    this.#transformed = new TransformedBody(transform);
    if (this.#client.body === undefined) this.#setText(this.#transformed.ofText(this.#text));
    else this.#client.body.contentOnly();
  }

  /** A response goes to the client: there won't be another attempt. */
  forget(): void {
    this.#context.memory.release(this);
    if (!this.#lent) this.#context.keptBodies.giveBack(this.#kept);
    this.giveUp();
  }

  /** There is no room for what is kept. */
  giveUp(): void {
    this.#setText('');
    this.#kept = noBytes;
    this.#keptBytes = 0;
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
    if (flow === 'full') this.#lent = true;
    if (piece.state === 'done') return 'done';
    if (flow === 'flowing' && piece.expectsLarge) piece.source?.expectLarge();
    return flow;
  }

  /** Keeps a copy of a piece, as long as everything so far can be kept, and returns it. */
  #keep(piece: BodyPiece): Buffer | undefined {
    if (this.lost) return undefined;
    const from = this.#keptBytes;
    const to = from + pieceBytes(piece);
    const total = to + (piece.leftBytes ?? 0);
    if (total > this.#context.replayBytes || !this.#hasRoom(to, total)) {
      this.forget();
      return undefined;
    }
    writePieceInto(piece, this.#kept, from);
    this.#keptBytes = to;
    return this.#kept.subarray(from, to);
  }

  #setText(text: string): void {
    this.#context.memory.chargeHeap(text.length - this.#text.length);
    this.#text = text;
  }

  /** Makes room for so many kept bytes, of which the body has `total` as far as that is known; false when there is none. */
  #hasRoom(bytes: number, total: number): boolean {
    const kept = this.#kept;
    if (bytes <= kept.length) return true;
    // Grown by doubling: a body that comes byte by byte is copied a few times, and is one buffer.
    const { replayBytes, memory, keptBodies } = this.#context;
    const room = Math.min(replayBytes, Math.max(Math.min(total, 2 * bytes), 2 * kept.length));
    if (!memory.keep(this, keptBodies.sizeFor(room) - kept.length)) return false;
    this.#kept = keptBodies.take(room);
    kept.copy(this.#kept, 0, 0, this.#keptBytes);
    return true;
  }

  #judge(piece: BodyPiece): ErrorCode | undefined {
    if (piece.state === 'faulty' || hasFramingField(piece.trailers)) return 'bad_framing';
    const { bodyBytes } = this.#context.limits;
    return bodyBytes > 0 && piece.contentBytes > bodyBytes ? 'content_too_large' : undefined;
  }
}
