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
