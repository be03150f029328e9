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

/** Most heads fit in this: a chunk of body behind one need not become a string. */
const firstLookBytes = 2_048;

/** Parses the head that begins at `at`, of at most `headBytes`: from its first bytes, and from all of them when these don't do. */
export function readHead<Head>(
  bytes: Buffer,
  [at, to]: readonly [number, number],
  headBytes: number,
  parse: (source: HeadSource) => Head,
): Head {
  const end = Math.min(to, at + headBytes + 1);
  const first = Math.min(end, at + firstLookBytes);
  const head = parse({ text: bytes.toString('latin1', at, first), bytes, offset: at });
  if (head !== 'incomplete' || first === end) return head;
  return parse({ text: bytes.toString('latin1', at, end), bytes, offset: at });
}
