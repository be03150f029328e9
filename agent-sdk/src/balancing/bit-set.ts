/**
 * A set of integers below a fixed size that finds the next element quickly: words of 32 bits, and levels above them whose bits tell which
 * words below are not empty. Every operation takes one step per level: two for a thousand elements, three for thirty thousand.
 */
export class BitSet {
  readonly #levels: readonly Uint32Array[];
  readonly #size: number;

  /** Contains every integer below `size`. */
  constructor(size: number) {
    const levels: Uint32Array[] = [];
    let bits = size;
    do {
      const words = new Uint32Array(Math.max(1, Math.ceil(bits / 32)));
      words.fill(0xffff_ffff, 0, bits >>> 5);
      if ((bits & 31) !== 0) words[bits >>> 5] = 2 ** (bits & 31) - 1;
      levels.push(words);
      bits = words.length;
    } while (bits > 1);
    this.#levels = levels;
    this.#size = size;
  }

  add(element: number): void {
    let bit = element;
    for (const words of this.#levels) {
      const word = bit >>> 5;
      const before = words[word] ?? 0;
      words[word] = before | (1 << (bit & 31));
      if (before !== 0) return;
      bit = word;
    }
  }

  delete(element: number): void {
    let bit = element;
    for (const words of this.#levels) {
      const word = bit >>> 5;
      const after = (words[word] ?? 0) & ~(1 << (bit & 31));
      words[word] = after;
      if (after !== 0) return;
      bit = word;
    }
  }

  /** The first element at or after `from`, or else the first of all; -1 when the set is empty. */
  nextFrom(from: number): number {
    const found = from < this.#size ? this.#next(from) : -1;
    return found === -1 && from > 0 ? this.#next(0) : found;
  }

  #next(from: number): number {
    const levels = this.#levels;
    let bit = from;
    for (let level = 0; level < levels.length; level += 1) {
      const word = bit >>> 5;
      const rest = ((levels[level]?.[word] ?? 0) >>> (bit & 31)) << (bit & 31);
      if (rest !== 0) return this.#descend(level, word * 32 + lowestBit(rest));
      bit = word + 1;
    }
    return -1;
  }

  #descend(from: number, element: number): number {
    let bit = element;
    for (let level = from - 1; level >= 0; level -= 1)
      bit = bit * 32 + lowestBit(this.#levels[level]?.[bit] ?? 0);
    return bit;
  }
}

/** The position of the lowest bit that is set; the word is not 0. */
function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
