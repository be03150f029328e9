import type { Socket } from 'node:net';

import { pieceBytes, pieceText, writePieceInto } from '../proxy/body-piece.ts';
import { ownBytes } from '../sockets/read-buffer.ts';
import type { BodyPiece } from '../proxy/ports.ts';

/** Up to here, everything leaves as one string in one write: cheaper than a buffer, and node writes it from its stack. */
const smallBytes = 8_192;

/** Text to write before and after a piece, latin1. */
export interface Surroundings {
  readonly before: string;
  readonly after: string;
}

/** What makes one chunk of a piece, with `end` behind it; nothing more for a piece that has chunks already. */
export function chunkAround(piece: BodyPiece, end: string): Surroundings {
  const bytes = piece.form === 'framed' ? 0 : pieceBytes(piece);
  if (bytes === 0) return { before: '', after: end };
  return { before: `${bytes.toString(16)}\r\n`, after: `\r\n${end}` };
}

/** Writes a piece of a body with its surroundings in a single write. */
export function writePiece(target: Socket, piece: BodyPiece, { before, after }: Surroundings): void {
  const total = pieceBytes(piece) + before.length + after.length;
  if (total === 0) return;
  if (total <= smallBytes) target.write(before + pieceText(piece) + after, 'latin1');
  else if (!writeThrough(target, piece, { before, after }))
    target.write(copied(piece, { before, after }, total));
}

/** Without a copy, where the read buffer of the other side can be lent to the write. */
function writeThrough(target: Socket, piece: BodyPiece, { before, after }: Surroundings): boolean {
  const { spans, source, bytes } = piece;
  if (spans.length !== 2 || after !== '' || source === undefined) return false;
  return source.writeThrough(target, bytes, before + piece.prefix(0), [spans[0] ?? 0, spans[1] ?? 0]);
}

function copied(piece: BodyPiece, { before, after }: Surroundings, total: number): Buffer {
  // Not of node's pool, which a small rest would keep alive.
  const out = Buffer.allocUnsafeSlow(total);
  const end = writePieceInto(piece, out, out.write(before, 0, 'latin1'));
  out.write(after, end, 'latin1');
  return out;
}

/** Writes bytes that may be overwritten afterwards. */
export function writeCopy(target: Socket, bytes: Buffer): void {
  if (bytes.length <= smallBytes) target.write(bytes.toString('latin1'), 'latin1');
  else target.write(ownBytes(bytes, 0, bytes.length));
}
