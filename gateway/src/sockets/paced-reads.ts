import type { Socket } from 'node:net';

import { ResetWatch } from './reset-watch.ts';
import type { TimeoutWheel } from './timeout-wheel.ts';

/** Reads below this are no bulk: they are never held back. */
const bulkBytes = 16_384;
/** What bulk reads may bring in one turn of the event loop; every connection that is ready then has its turn at once. */
const turnBytes = 8_388_608;
/** Of those that wait, so many connections read on in one turn, and so much each. */
const perTurn = 4;
const quantumBytes = 262_144;

/** Of a turn in which a connection was accepted: the event loop takes over one in each turn, and more may wait. */
const briefTurnBytes = quantumBytes;

/**
 * Divides the turns of the event loop among the connections with much to read, so that a small request waits for a few of them and not
 * for all: once a turn has brought enough, each further one waits in a queue. Its timer ends when none waits.
 */
export class ReadTurns {
  #leftBytes = turnBytes;
  #turns: 'full' | 'brief' = 'full';
  #scheduled = false;
  #first: PacedReads | undefined;
  #last: PacedReads | undefined;
  readonly #turn = (): void => {
    this.#scheduled = false;
    const brief = this.#turns === 'brief';
    this.#turns = 'full';
    this.#leftBytes = brief ? briefTurnBytes : turnBytes;
    for (let count = brief ? perTurn - 1 : 0; count < perTurn && this.#first !== undefined; count += 1) {
      const reads = this.#first;
      this.#first = reads.next;
      reads.next = undefined;
      reads.granted();
    }
    if (this.#first === undefined) this.#last = undefined;
    else this.#schedule();
  };

  /** A connection has read so many bytes. False: the next ones have to wait. */
  spend(bytes: number): boolean {
    this.#leftBytes -= bytes;
    this.#schedule();
    return this.#leftBytes > 0;
  }

  /** A connection was accepted: this turn and the next are brief, so that those behind it don't wait long. */
  accepted(): void {
    this.#turns = 'brief';
    this.#leftBytes = Math.min(this.#leftBytes, briefTurnBytes);
  }

  /** Whether there is more to read than one turn brings. */
  get crowded(): boolean {
    return this.#first !== undefined || this.#leftBytes <= 0;
  }

  /** Calls `granted` when it is the turn of these reads. */
  wait(reads: PacedReads): void {
    if (this.#last === undefined) this.#first = reads;
    else this.#last.next = reads;
    this.#last = reads;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }
}

/** The reads of one socket: paused by its user, by the turn of others, or not at all. */
export class PacedReads {
  next: PacedReads | undefined = undefined;
  readonly #turns: ReadTurns;
  readonly #socket: Socket;
  readonly #wheel: TimeoutWheel | undefined;
  #watch: ResetWatch | undefined;
  #user: 'reads' | 'paused' = 'reads';
  #turn: 'reads' | 'waits' = 'reads';
  #reads: 'bulk' | 'little' = 'little';
  /** What is left of what it may read by its turn. */
  #quantumBytes = 0;

  /** `wheel`: to notice a reset while the user has paused; undefined: not to. */
  constructor(turns: ReadTurns, socket: Socket, wheel?: TimeoutWheel) {
    this.#turns = turns;
    this.#socket = socket;
    this.#wheel = wheel;
  }

  pause(): void {
    if (this.#user === 'paused') return;
    this.#user = 'paused';
    this.#socket.pause();
    if (this.#wheel === undefined) return;
    this.#watch ??= new ResetWatch(this.#wheel, this.#socket);
    this.#watch.start();
  }

  resume(): void {
    if (this.#user === 'reads') return;
    this.#user = 'reads';
    this.#watch?.stop();
    if (this.#turn === 'waits') return;
    if (this.#reads === 'bulk' && this.#turns.crowded) this.#wait();
    else this.#socket.resume();
  }

  /** A read has brought so many bytes, and they have been used. `end`: of a message; what comes next is another one. */
  after(bytes: number, what: 'part' | 'end'): void {
    this.#reads = bytes >= bulkBytes && what === 'part' ? 'bulk' : 'little';
    if (bytes < bulkBytes) return;
    this.#quantumBytes -= bytes;
    const goesOn = this.#turns.spend(bytes) || this.#quantumBytes > 0;
    if (goesOn || what === 'end' || this.#turn === 'waits') return;
    this.#socket.pause();
    this.#wait();
  }

  #wait(): void {
    this.#turn = 'waits';
    this.#turns.wait(this);
  }

  granted(): void {
    this.#turn = 'reads';
    this.#quantumBytes = quantumBytes;
    if (this.#user === 'reads' && !this.#socket.destroyed) this.#socket.resume();
  }
}
