import type { BodyPiece } from './ports.ts';

/** How many bytes a piece is, with the chunk size lines in it. */
export function pieceBytes(piece: BodyPiece): number {
  const { spans } = piece;
  let total = 0;
  for (let i = 0; i < spans.length; i += 2)
    total += piece.prefix(i >> 1).length + (spans[i + 1] ?? 0) - (spans[i] ?? 0);
  return total;
}

/** A piece as latin1 text. */
export function pieceText(piece: BodyPiece): string {
  const { spans, bytes } = piece;
  let text = '';
  for (let i = 0; i < spans.length; i += 2)
    text += piece.prefix(i >> 1) + bytes.toString('latin1', spans[i] ?? 0, spans[i + 1] ?? 0);
  return text;
}

/** Writes a piece into `target` from `at` on, and returns the index after it. */
export function writePieceInto(piece: BodyPiece, target: Buffer, at: number): number {
  const { spans, bytes } = piece;
  let end = at;
  for (let i = 0; i < spans.length; i += 2) {
    end += target.write(piece.prefix(i >> 1), end, 'latin1');
    end += bytes.copy(target, end, spans[i], spans[i + 1]);
  }
  return end;
}
