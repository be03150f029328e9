import type { Socket } from 'node:net';

import type { BodyReader } from './body-reader.ts';
import type { Inlet } from '../proxy/read-buffer.ts';

/** Up to here, everything leaves as one string in one write: cheaper than a buffer, and node writes it from its stack. */
const smallBytes = 8_192;

/** A piece of a body that a reader has looked at, and what goes before and after it. */
export interface BodyPiece {
  readonly reader: BodyReader;
  readonly before: string;
  readonly after: string;
}

/**
 * Writes what a reader has let through of `bytes` to the other side, with text before and after it, in a single write.
 * `bytes` are those of the present read of `inlet`, and may be overwritten afterwards. `full`: the other side takes no more
 * for now, and 'drain' will say when it does.
 */
export function sendBody(target: Socket, piece: BodyPiece, bytes: Buffer, inlet: Inlet): 'flowing' | 'full' {
  const { reader, before, after } = piece;
  const { spans } = reader;
  const single = spans.length === 2 && after === '' ? `${before}${reader.prefix(0)}` : undefined;
  const total = pieceBytes(piece);
  if (total === 0) return 'flowing';
  if (total <= smallBytes) target.write(bodyText(piece, bytes), 'latin1');
  else if (
    single === undefined ||
    inlet.writeThrough(target, bytes, single, [spans[0] ?? 0, spans[1] ?? 0]) === 'impossible'
  )
    target.write(copied(piece, bytes, total));
  return fullness(target);
}

/** How long a piece is with all that goes around it. */
export function pieceBytes({ reader, before, after }: BodyPiece): number {
  const { spans } = reader;
  let total = before.length + after.length;
  for (let i = 0; i < spans.length; i += 2)
    total += reader.prefix(i >> 1).length + (spans[i + 1] ?? 0) - (spans[i] ?? 0);
  return total;
}

/** A piece as latin1 text. */
export function bodyText({ reader, before, after }: BodyPiece, bytes: Buffer): string {
  const { spans } = reader;
  let text = before;
  for (let i = 0; i < spans.length; i += 2)
    text += reader.prefix(i >> 1) + bytes.toString('latin1', spans[i] ?? 0, spans[i + 1] ?? 0);
  return text + after;
}

function copied({ reader, before, after }: BodyPiece, bytes: Buffer, total: number): Buffer {
  const { spans } = reader;
  const out = Buffer.allocUnsafeSlow(total);
  let at = out.write(before, 0, 'latin1');
  for (let i = 0; i < spans.length; i += 2) {
    at += out.write(reader.prefix(i >> 1), at, 'latin1');
    at += bytes.copy(out, at, spans[i], spans[i + 1]);
  }
  out.write(after, at, 'latin1');
  return out;
}

/** Writes bytes that may be overwritten afterwards. */
export function sendCopy(target: Socket, bytes: Buffer): 'flowing' | 'full' {
  if (bytes.length <= smallBytes) target.write(bytes.toString('latin1'), 'latin1');
  else target.write(Buffer.from(bytes));
  return fullness(target);
}

/** Whether a socket wants its writer to wait for 'drain'. */
export function fullness(target: Socket): 'flowing' | 'full' {
  return target.writableLength > 0 && target.writableNeedDrain ? 'full' : 'flowing';
}
