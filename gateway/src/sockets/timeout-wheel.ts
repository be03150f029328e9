/** How coarse all timeouts of the engine are; they come up to two ticks late, never early. */
export const tickMs = 20;
const slotCount = 512;

/** What a timeout belongs to. */
export interface TimeoutOwner {
  timedOut(): void;
}

/**
 * One timeout of one connection, set again and again. Setting it later costs one assignment: it stays in its slot, and is moved
 * when the wheel comes by.
 */
export class Timeout {
  readonly owner: TimeoutOwner;
  /** The tick at which it is due; −1 when it is not set. */
  dueTick = -1;
  /** The tick at which the wheel looks at it next; −1 when it is in no slot. */
  slotTick = -1;
  next: Timeout | undefined = undefined;
  previous: Timeout | undefined = undefined;

  constructor(owner: TimeoutOwner) {
    this.owner = owner;
  }
}

/** Calls `tick` every `everyMs` until the returned function is called. Injected, so that tests own the time. */
export type Ticker = (tick: () => void, everyMs: number) => () => void;

/**
 * The ticker of a running process. Doesn't keep the process alive. A tick waits until the sockets have been read: after a stall,
 * answers that came meanwhile count before the timeouts that were next.
 */
export const processTicker: Ticker = (tick, everyMs) => {
  let state: 'running' | 'stopped' = 'running';
  const afterReads = (): void => {
    if (state === 'running') tick();
  };
  const timer = setInterval(() => setImmediate(afterReads), everyMs);
  timer.unref();
  return () => {
    state = 'stopped';
    clearInterval(timer);
  };
};

/**
 * All timeouts of one engine on a single timer (a hashed wheel), which runs only while there are any. Its time is counted in
 * ticks that happened, not read from a clock: while the process is stalled or asleep it stands still, so that a stall is never
 * taken for a peer's silence, and the wall clock may jump. Ended by `stop`.
 */
export class TimeoutWheel {
  #tick = 0;
  #armed = 0;
  #stopTicker: (() => void) | undefined;
  readonly #slots: (Timeout | undefined)[] = new Array<Timeout | undefined>(slotCount).fill(undefined);
  readonly #ticker: Ticker;

  constructor(ticker: Ticker) {
    this.#ticker = ticker;
  }

  /** Timeouts in a slot, due ones and disarmed ones that have not been cleared away yet. */
  get size(): number {
    return this.#armed;
  }

  /** Its time: the ticks so far. It runs only while there is a timeout. */
  get nowMs(): number {
    return this.#tick * tickMs;
  }

  /** Sets a timeout, whether it was set before or not. */
  arm(timeout: Timeout, ms: number): void {
    const dueTick = this.#tick + Math.ceil(ms / tickMs) + 1;
    timeout.dueTick = dueTick;
    if (timeout.slotTick !== -1) {
      if (timeout.slotTick <= dueTick) return;
      this.#unlink(timeout);
    }
    this.#link(timeout);
  }

  /** Unsets it; it stays in its slot until the wheel comes by, as most are set again before that. */
  disarm(timeout: Timeout): void {
    timeout.dueTick = -1;
  }

  /** Unsets it for good, when its owner ends. */
  remove(timeout: Timeout): void {
    timeout.dueTick = -1;
    if (timeout.slotTick !== -1) this.#unlink(timeout);
    if (this.#armed === 0) this.stop();
  }

  /** Stops the timer. It starts again with the next `arm`. */
  stop(): void {
    this.#stopTicker?.();
    this.#stopTicker = undefined;
  }

  #link(timeout: Timeout): void {
    // Further away than the wheel is round: looked at once per turn.
    timeout.slotTick = Math.min(timeout.dueTick, this.#tick + slotCount - 1);
    const slot = timeout.slotTick % slotCount;
    const first = this.#slots[slot];
    timeout.next = first;
    timeout.previous = undefined;
    if (first !== undefined) first.previous = timeout;
    this.#slots[slot] = timeout;
    this.#armed += 1;
    this.#stopTicker ??= this.#ticker(() => {
      this.#advance();
    }, tickMs);
  }

  #unlink(timeout: Timeout): void {
    if (timeout.previous !== undefined) timeout.previous.next = timeout.next;
    else this.#slots[timeout.slotTick % slotCount] = timeout.next;
    if (timeout.next !== undefined) timeout.next.previous = timeout.previous;
    timeout.next = undefined;
    timeout.previous = undefined;
    timeout.slotTick = -1;
    this.#armed -= 1;
  }

  #advance(): void {
    this.#tick += 1;
    const slot = this.#tick % slotCount;
    for (let timeout = this.#slots[slot]; timeout !== undefined; timeout = this.#slots[slot]) {
      this.#unlink(timeout);
      if (timeout.dueTick === -1) continue;
      if (timeout.dueTick > this.#tick) {
        this.#link(timeout);
        continue;
      }
      timeout.dueTick = -1;
      timeout.owner.timedOut();
    }
    if (this.#armed === 0) this.stop();
  }
}
