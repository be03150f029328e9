import { type ConnectionBudget, maxPlainReads } from './connection-budget.ts';
import type { Demand } from './demand.ts';
import type { ReadWait } from './read-wait.ts';

/** Who reads. */
export interface ReaderOptions {
  /** Undefined: the catalog's watch, which always has a seat. */
  readonly service: string | undefined;
  readonly demand: Demand | undefined;
  readonly signal: AbortSignal;
}

/** How a read is made. `in_turn`: it was to block and does not, because no seat is free. */
export type Turn =
  { readonly kind: 'block'; readonly waitMs: number } | { readonly kind: 'plain' | 'in_turn' };

export interface ReadingPlanOptions {
  readonly budget: Pick<ConnectionBudget, 'seats'>;
  readonly wait: Pick<ReadWait, 'waitMs'>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Requests count for so long. */
const demandMs = 60_000;
/** Between two reads in turn, of all services together. */
const spacingMs = 20;
/** Between two reads in turn of one service: without requests, and with some. */
const turnEveryMs = { idle: 5_000, asked: 1_000 };
/** Where seats may become scarce, a blocking read waits so long at most. */
const scarceWaitMs = 10_000;

/**
 * Which reads of one agent may block, so that its connections stay within the budget:
 *
 * - While there are seats for all services, each holds a blocking read.
 * - Otherwise services with requests in the last minute hold them, then those that changed last. The others are read in turn, without
 *   blocking, 50 a second at most. A request, or news of the catalog, brings a service's turn at once.
 * - A seat is handed over when its read ends, never by breaking the read off: the agent would count the connection until its wait is over.
 *   Reads therefore wait for seconds only where seats are scarce.
 */
export class ReadingPlan {
  readonly options: ReadingPlanOptions;
  readonly readers = new Set<PlannedReader>();
  seated = 0;
  /** Reads that do not block and are under way. */
  plain = 0;
  #nextTurnMs = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ReadingPlanOptions) {
    this.options = options;
  }

  /** Takes part until the signal aborts. */
  join(options: ReaderOptions): PlannedReader {
    const reader = new PlannedReader(this, options);
    if (options.signal.aborted) return reader;
    this.readers.add(reader);
    options.signal.addEventListener(
      'abort',
      () => {
        this.readers.delete(reader);
        reader.leave();
        this.grant();
      },
      { once: true },
    );
    return reader;
  }

  /** Services that have no seat are read at once: this one, or all of them in their turn. */
  wake(service?: string): void {
    const nowMs = this.options.now();
    for (const reader of this.readers)
      if (service === undefined || reader.service === service) reader.wake(nowMs, service !== undefined);
    this.grant();
  }

  get areSeatsScarce(): boolean {
    return this.readers.size > this.options.budget.seats / 2;
  }

  /** The waiting reader that is next to get a seat. */
  best(nowMs: number): PlannedReader | undefined {
    let best: PlannedReader | undefined;
    for (const reader of this.readers) {
      if (reader.waitsFor === 'seat' && (best === undefined || reader.rank(nowMs) > best.rank(nowMs)))
        best = reader;
    }
    return best;
  }

  /** Gives seats and turns to those that wait, as far as there are any. */
  grant(): void {
    const nowMs = this.options.now();
    for (let free = this.options.budget.seats - this.seated; free > 0; free -= 1) {
      const reader = this.best(nowMs);
      if (reader === undefined) break;
      reader.sit();
    }
    let dueMs = Infinity;
    while (this.plain < maxPlainReads) {
      const reader = this.#next();
      dueMs = reader === undefined ? Infinity : this.#startOf(reader);
      if (reader === undefined || dueMs > nowMs) break;
      if (reader.waitsFor === 'seat') this.#nextTurnMs = nowMs + spacingMs;
      reader.read();
      dueMs = Infinity;
    }
    clearTimeout(this.#timer);
    this.#timer =
      dueMs === Infinity
        ? undefined
        : setTimeout(() => {
            this.grant();
          }, dueMs - nowMs);
  }

  #startOf(reader: PlannedReader): number {
    return reader.isUrgent ? reader.dueMs : Math.max(reader.dueMs, this.#nextTurnMs);
  }

  /** The waiting reader that may read next without blocking: the one that is due for longest, urgent ones first. */
  #next(): PlannedReader | undefined {
    let next: PlannedReader | undefined;
    for (const reader of this.readers)
      if (reader.waitsFor !== undefined && (next === undefined || reader.isBefore(next))) next = reader;
    return next;
  }
}

/** One reader: asks for its turn, reads, says how it was, and so on. */
export class PlannedReader {
  readonly service: string | undefined;
  /** What it waits for; undefined while it reads, or deals with what it has read. */
  waitsFor: 'seat' | 'permit' | undefined;
  /** When its turn to read without blocking comes, in its owner's monotonic ms. */
  dueMs = 0;
  /** Whether its turn comes before those of others. */
  isUrgent = false;
  readonly #plan: ReadingPlan;
  readonly #demand: Demand | undefined;
  #isSeated = false;
  #isPlain = false;
  #requests = 0;
  #requestedMs = -Infinity;
  #changedMs: number;
  #readMs = -Infinity;
  #settle: ((turn: Turn) => void) | undefined;
  #forget: (() => void) | undefined;

  constructor(plan: ReadingPlan, { service, demand }: ReaderOptions) {
    this.#plan = plan;
    this.service = service;
    this.#demand = demand;
    this.#changedMs = plan.options.now();
  }

  /** Whether its turn comes before that of another. */
  isBefore(other: PlannedReader): boolean {
    return this.isUrgent === other.isUrgent ? this.dueMs < other.dueMs : this.isUrgent;
  }

  /** Who gets a seat: the higher one. */
  rank(nowMs: number): number {
    this.#lookAtDemand(nowMs);
    return this.#changedMs + (nowMs - this.#requestedMs < demandMs ? 1e12 : 0);
  }

  /** Waits for the turn. Resolves early when the signal aborts. `plain`: this read must not block. */
  async turn(wanted: 'block' | 'plain'): Promise<Turn> {
    const plan = this.#plan;
    const nowMs = plan.options.now();
    if (this.service === undefined || !plan.readers.has(this))
      return wanted === 'block' ? this.#block() : { kind: 'plain' };
    if (wanted === 'block' && this.#isSeated) {
      const isOver = plan.seated > plan.options.budget.seats;
      const rival = isOver ? undefined : plan.best(nowMs);
      if (!isOver && (rival === undefined || rival.rank(nowMs) <= this.rank(nowMs))) return this.#block();
      this.#stand();
    }
    this.#lookAtDemand(nowMs);
    const turn = new Promise<Turn>((resolve) => (this.#settle = resolve));
    this.waitsFor = wanted === 'block' ? 'seat' : 'permit';
    const everyMs = nowMs - this.#requestedMs < demandMs ? turnEveryMs.asked : turnEveryMs.idle;
    this.isUrgent = wanted === 'plain';
    this.dueMs = wanted === 'plain' ? nowMs : this.#readMs + everyMs;
    if (everyMs === turnEveryMs.idle) {
      this.#forget = this.#demand?.onWake(() => {
        this.wake(plan.options.now(), true);
        plan.grant();
      });
    }
    plan.grant();
    return turn;
  }

  /** The read has ended. */
  done(result: 'changed' | 'same' | 'failed'): void {
    const plan = this.#plan;
    const nowMs = plan.options.now();
    this.#readMs = nowMs;
    if (result === 'changed') this.#changedMs = nowMs;
    if (result === 'failed' && this.#isSeated) this.#stand();
    if (this.#isPlain) {
      this.#isPlain = false;
      plan.plain -= 1;
    }
    if (this.service !== undefined) plan.grant();
  }

  /** Its turn comes now. `urgently`: before those of others. */
  wake(nowMs: number, urgently: boolean): void {
    if (this.waitsFor === undefined) return;
    this.dueMs = Math.min(this.dueMs, nowMs);
    if (urgently) this.isUrgent = true;
  }

  sit(): void {
    this.#isSeated = true;
    this.#plan.seated += 1;
    this.#go(this.#block());
  }

  read(): void {
    this.#isPlain = true;
    this.#plan.plain += 1;
    this.#go({ kind: this.waitsFor === 'seat' ? 'in_turn' : 'plain' });
  }

  leave(): void {
    if (this.#isSeated) this.#stand();
    if (this.#isPlain) this.#plan.plain -= 1;
    this.#isPlain = false;
    this.#go({ kind: 'plain' });
  }

  #stand(): void {
    this.#isSeated = false;
    this.#plan.seated -= 1;
  }

  #go(turn: Turn): void {
    this.waitsFor = undefined;
    this.#forget?.();
    this.#forget = undefined;
    this.#settle?.(turn);
  }

  #block(): Turn {
    const { wait, random } = this.#plan.options;
    const { waitMs } = wait;
    if (this.service === undefined || !this.#plan.areSeatsScarce) return { kind: 'block', waitMs };
    return { kind: 'block', waitMs: Math.min(waitMs, scarceWaitMs) * (1 - random() / 2) };
  }

  #lookAtDemand(nowMs: number): void {
    const { count = 0 } = this.#demand ?? {};
    if (count === this.#requests) return;
    this.#requests = count;
    this.#requestedMs = nowMs;
  }
}
