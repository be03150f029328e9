import { LinkedList, type Linked } from './linked-list.ts';

/**
 * What is given up when memory runs short, in this order: copies of bodies that are kept for another attempt, new requests with a body,
 * keep-alive, new requests, and at last new connections and those that want to hold more.
 */
export type Sacrifice = 'replay' | 'upload' | 'keep_alive' | 'request' | 'connection';

/** From which share of the budget on something is given up. */
const givenUpFrom: Readonly<Record<Sacrifice, number>> = {
  replay: 0.5,
  upload: 0.7,
  keep_alive: 0.8,
  request: 0.9,
  connection: 1,
};

/** The part of V8's heap limit that peers may fill; the rest is for tables, code and garbage. */
const heapShare = 0.6;

/** Objects of a client connection, in V8's heap and outside of it. An estimate, rounded up. */
export const connectionBytes = 6_144;
/** Objects of an exchange with its connection to an instance. An estimate, rounded up. */
export const exchangeBytes = 8_192;

/** Limits in bytes. */
export interface MemoryLimits {
  /** All that peers can make the gateway hold. */
  readonly bytes: number;
  /** The heap limit of V8, `heap_size_limit`. */
  readonly heapBytes: number;
}

/** Something that is kept as long as there is room. */
export interface Expendable extends Linked<Expendable> {
  /** What the budget has counted for it: 0 when it is not kept. Written by the budget only. */
  countedBytes: number;
  /** The budget takes the room back; nothing is to be released any more. */
  giveUp(): void;
}

/**
 * The one account of everything that peers can make the gateway hold: connections, exchanges, heads, held bytes, kept bodies, writes
 * that have not left. Those who hold something charge it, and ask before they begin something new. Coarse: what is small or short-lived
 * is in the constants.
 */
export class MemoryBudget {
  /** Bytes counted now, and the most so far. */
  usedBytes = 0;
  peakBytes = 0;
  #limits: MemoryLimits;
  #heapBytes = 0;
  /** What has waited longest is first. */
  readonly #kept = new LinkedList<Expendable>();
  readonly #refused: (what: Sacrifice) => void;

  /** `refused` hears of each refusal, and counts it. It must be cheap. */
  constructor(limits: MemoryLimits, refused: (what: Sacrifice) => void = () => undefined) {
    this.#limits = limits;
    this.#refused = refused;
  }

  get limitBytes(): number {
    return this.#limits.bytes;
  }

  set limits(limits: MemoryLimits) {
    this.#limits = limits;
  }

  /** Bytes of buffers and of the kernel's copies, outside V8's heap. Negative: they are free again. */
  charge(bytes: number): void {
    this.usedBytes += bytes;
    if (this.usedBytes > this.peakBytes) this.peakBytes = this.usedBytes;
  }

  /** Bytes of strings and objects, in V8's heap. */
  chargeHeap(bytes: number): void {
    this.#heapBytes += bytes;
    this.charge(bytes);
  }

  /** Whether there is room to be generous: to read much at once, and to lend whole blocks. */
  get ample(): boolean {
    return this.#share < givenUpFrom.replay;
  }

  /** Whether there is room for `what`. What is given up before it is given up first. */
  admits(what: Sacrifice): boolean {
    if (this.#share < givenUpFrom[what]) return true;
    for (let kept = this.#kept.first; kept !== undefined; kept = this.#kept.first) {
      this.release(kept);
      kept.giveUp();
      this.#refused('replay');
      if (this.#share < givenUpFrom[what]) return true;
    }
    this.#refused(what);
    return false;
  }

  /** Counts `bytes` more (at least one) that `owner` keeps for another attempt. False: it has to do without, and keeps nothing any more. */
  keep(owner: Expendable, bytes: number): boolean {
    const { countedBytes } = owner;
    if (countedBytes > 0) this.#kept.remove(owner);
    owner.countedBytes = 0;
    if (!this.admits('replay')) {
      this.charge(-countedBytes);
      return false;
    }
    this.charge(bytes);
    owner.countedBytes = countedBytes + bytes;
    this.#kept.add(owner);
    return true;
  }

  /** `owner` keeps nothing any more. */
  release(owner: Expendable): void {
    if (owner.countedBytes === 0) return;
    this.#kept.remove(owner);
    this.charge(-owner.countedBytes);
    owner.countedBytes = 0;
  }

  get #share(): number {
    const { bytes, heapBytes } = this.#limits;
    return Math.max(this.usedBytes / bytes, this.#heapBytes / (heapBytes * heapShare));
  }
}
