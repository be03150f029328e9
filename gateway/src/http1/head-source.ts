/**
 * A stretch of input in both of its forms: bytes, which are several times faster to look at, and the same as latin1 text, from which
 * strings are cut. Character `i` of the text is byte `offset + i`; bytes beyond the text do not belong to it.
 */
export interface HeadSource {
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly offset: number;
}

/** A source for text whose bytes are not at hand. */
export function sourceOf(text: string): HeadSource {
  return { text, bytes: Uint8Array.from(text, (character) => character.charCodeAt(0)), offset: 0 };
}
