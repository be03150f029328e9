/**
 * The bytes of a JSON list of objects and their parsed values. Consul sends the whole list of a service for every change in it, and most
 * records are the same, byte for byte. With the known list, reading the next answer parses only the records that changed.
 */
export interface KnownList {
  readonly bytes: Buffer;
  readonly elements: readonly KnownElement[];
}

/** One element: its position in the bytes, the fingerprint of its bytes, and its value. */
export interface KnownElement {
  readonly start: number;
  readonly end: number;
  readonly fingerprint: number;
  readonly value: unknown;
}

/** Approximate cost of an element that has to be parsed, and of a known one. */
const cost = { parsed: 10, known: 1 };
/** Cost after which the reader yields to other work. */
const costPerTurn = 500;
/** Number of following known elements that are compared before the fingerprint is computed. */
const lookAhead = 4;

const [blank, tab, newline, carriageReturn] = [0x20, 0x09, 0x0a, 0x0d];
const [quote, comma, backslash] = [0x22, 0x2c, 0x5c];
const [openList, closeList, openMap, closeMap] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Reads a JSON list of objects. Elements that are also in the `known` list are returned as the same objects; only the others are
 * parsed. Yields regularly, so that the caller can let other work run. Returns undefined when the text is not clearly such a list; it
 * may still be JSON. Throws `SyntaxError` for an element that is not JSON.
 */
export function* readList(
  bytes: Buffer,
  known: KnownList | undefined,
): Generator<undefined, KnownList | undefined, undefined> {
  const before = new KnownElements(known);
  const elements: KnownElement[] = [];
  let at = afterSpace(bytes, 0);
  if (bytes[at] !== openList) return undefined;
  at = afterSpace(bytes, at + 1);
  let done = 0;
  let follows = bytes[at] === closeList ? closeList : comma;
  while (follows === comma) {
    let element = before.next(bytes, at);
    done += cost.known;
    if (element === undefined) {
      const { end, fingerprint } = endOfObject(bytes, at);
      if (end === -1) return undefined;
      element = before.withFingerprint(bytes, at, end, fingerprint);
      if (element === undefined) {
        const value: unknown = JSON.parse(bytes.toString('utf8', at, end));
        element = { start: at, end, fingerprint, value };
        done += cost.parsed - cost.known;
      }
    }
    elements.push(element);
    if (done >= costPerTurn) {
      done = 0;
      yield;
    }
    at = afterSpace(bytes, element.end);
    follows = bytes[at] ?? 0;
    if (follows === comma) at = afterSpace(bytes, at + 1);
  }
  const isWhole = follows === closeList && afterSpace(bytes, at + 1) === bytes.length;
  return isWhole ? { bytes, elements } : undefined;
}

/** Finds the elements of the last list: first in their old order, then by fingerprint. */
class KnownElements {
  readonly #known: KnownList | undefined;
  #nextAt = 0;
  #byFingerprint: ReadonlyMap<number, number> | undefined;

  constructor(known: KnownList | undefined) {
    this.#known = known;
  }

  /** The element at `at`, if it is one of the next known elements. The bytes after an object do not matter. */
  next(bytes: Buffer, at: number): KnownElement | undefined {
    const last = Math.min(this.#known?.elements.length ?? 0, this.#nextAt + lookAhead);
    for (let index = this.#nextAt; index < last; index += 1) {
      const found = this.#at(bytes, at, index);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The element with these bytes among all known elements. */
  withFingerprint(bytes: Buffer, at: number, end: number, fingerprint: number): KnownElement | undefined {
    this.#byFingerprint ??= new Map(
      this.#known?.elements.map((element, index) => [element.fingerprint, index]),
    );
    const index = this.#byFingerprint.get(fingerprint);
    const found = index === undefined ? undefined : this.#at(bytes, at, index);
    return found?.end === end ? found : undefined;
  }

  #at(bytes: Buffer, at: number, index: number): KnownElement | undefined {
    const element = this.#known?.elements[index];
    if (this.#known === undefined || element === undefined) return undefined;
    const { start, end, fingerprint, value } = element;
    const ending = at + end - start;
    if (ending > bytes.length || bytes.compare(this.#known.bytes, start, end, at, ending) !== 0)
      return undefined;
    this.#nextAt = index + 1;
    if (start === at) return element;
    return { start: at, end: ending, fingerprint, value };
  }
}

/**
 * The end of the object that begins at `at`, and the fingerprint of its bytes (FNV-1a). The end is -1 when no object begins there or it
 * does not end. In UTF-8 no ASCII byte is part of another character.
 */
function endOfObject(bytes: Buffer, at: number): { readonly end: number; readonly fingerprint: number } {
  if (bytes[at] !== openMap) return { end: -1, fingerprint: 0 };
  let depth = 0;
  let inText: 'outside' | 'inside' | 'escaped' = 'outside';
  let fingerprint = 0x811c9dc5 | 0;
  for (let index = at; index < bytes.length; index += 1) {
    const byte = bytes[index] ?? 0;
    fingerprint = Math.imul(fingerprint ^ byte, 0x01000193);
    if (inText === 'escaped') {
      inText = 'inside';
    } else if (byte === quote) {
      inText = inText === 'inside' ? 'outside' : 'inside';
    } else if (inText === 'inside') {
      if (byte === backslash) inText = 'escaped';
    } else if (byte === openMap || byte === openList) {
      depth += 1;
    } else if (byte === closeMap || byte === closeList) {
      depth -= 1;
      if (depth === 0) return { end: index + 1, fingerprint };
    }
  }
  return { end: -1, fingerprint };
}

function afterSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === blank || bytes[at] === newline || bytes[at] === carriageReturn || bytes[at] === tab)
    at += 1;
  return at;
}
