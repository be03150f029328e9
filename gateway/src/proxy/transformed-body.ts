import type { BodyTransform } from '../exchange/seam.ts';
import { ContentPiece } from './content-piece.ts';
import type { BodyPiece } from './ports.ts';

/** A body behind a transform of the exchange. Its pieces are made of those before the transform, which must be content only. */
export class TransformedBody {
  readonly #transform: BodyTransform;
  readonly #piece = new ContentPiece(undefined);

  constructor(transform: BodyTransform) {
    this.#transform = transform;
  }

  /** What the transform makes of a piece. Empty when it holds the bytes back. */
  of({ bytes, spans, state }: BodyPiece): BodyPiece {
    const made: Buffer[] = [];
    for (let i = 0; i < spans.length; i += 2)
      made.push(Buffer.from(this.#transform.push(bytes.subarray(spans[i], spans[i + 1]))));
    if (state !== 'done') return this.#piece.take(Buffer.concat(made));
    made.push(this.#transform.end());
    return this.#piece.finish(Buffer.concat(made));
  }

  /** What it makes of a whole body, latin1. */
  ofText(text: string): string {
    const made = Buffer.from(this.#transform.push(Buffer.from(text, 'latin1')));
    return made.toString('latin1') + this.#transform.end().toString('latin1');
  }
}
