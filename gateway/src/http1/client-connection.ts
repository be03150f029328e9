import type { Socket } from 'node:net';

import type { ErrorCode } from '../exchange/errors.ts';
import type { ClientFacts } from '../exchange/seam.ts';
import { Timeout, type TimeoutOwner } from '../proxy/timeout-wheel.ts';
import { readInto } from '../listeners/accepted-socket.ts';
import { fullness } from './body-sender.ts';
import { clientFacts } from '../listeners/client-facts.ts';
import type { EngineContext } from '../proxy/engine-context.ts';
import { ExchangeRun } from '../proxy/exchange-run.ts';
import { Inlet } from '../proxy/read-buffer.ts';
import { answerText } from './message-text.ts';
import { readRequestHead } from './request-head-reader.ts';

/** Bytes behind a request that are kept until its exchange is over; above it, reading pauses. */
const heldBytes = 65_536;
/** While the engine stops, how long a connection may take to send one more request, whose answer says that it was the last. */
export const lastRequestMs = 1_000;
/** How long, and for how many bytes, input is read and dropped after the last answer, so that no reset overtakes it (R34). */
const lingerMs = 2_000;
const lingerBytes = 33_554_432;

const lineFeed = 0x0a;

/**
 * A client's connection: reads one request head after the other, has each exchange run to its end before the next begins
 * (R41), and closes so that the last answer arrives. Everything about the exchange itself is in {@link ExchangeRun}.
 * Ends by itself, by `close` or by `destroy`.
 */
export class ClientConnection implements TimeoutOwner {
  readonly socket: Socket;
  readonly timeout: Timeout;
  readonly inlet: Inlet;
  /**
   * `head`: between exchanges. `full`: the same, but the client has to take its answers before more are made. `closing`: the last
   * answer has been written.
   */
  phase: 'head' | 'full' | 'exchange' | 'closing' | 'closed' = 'head';
  /** `ended`: the client has sent all it will send. */
  input: 'open' | 'ended' = 'open';
  readonly #context: EngineContext;
  #run: ExchangeRun | undefined;
  /** Bytes that have not been understood yet: part of a head, or what follows the request in progress. */
  #held: Buffer | undefined;
  #facts: ClientFacts | undefined;
  #reading: 'on' | 'paused' = 'on';
  /** `busy`: the loop over heads is running further up the stack. */
  #loop: 'idle' | 'busy' = 'idle';
  /** Whether the time for a head is running; for the first one since the connection was accepted. */
  #headClock: 'running' | 'stopped' = 'running';
  #requests = 0;
  #dropped = 0;

  /** `accepted`: fresh from a server with `pauseOnConnect`. */
  constructor(accepted: Socket, context: EngineContext) {
    this.#context = context;
    this.timeout = new Timeout(this);
    this.inlet = new Inlet(context.buffers);
    context.wheel.arm(this.timeout, context.limits.requestHeadMs);
    const socket = readInto(accepted, {
      buffer: () => this.inlet.next(),
      callback: (length, bytes) => this.#read(length, bytes),
    });
    this.socket = socket;
    socket.on('end', () => {
      this.#guarded('end');
    });
    socket.on('drain', () => {
      this.#guarded('drain');
    });
    socket.on('error', () => {
      this.#gone();
    });
    socket.on('close', () => {
      this.#gone();
      this.inlet.close();
      this.#context.wheel.remove(this.timeout);
    });
  }

  /** Who it is; asked of the kernel once, when the first request needs it. */
  get facts(): ClientFacts {
    return (this.#facts ??= clientFacts(this.socket));
  }

  /** Whether it is a keep-alive connection with nothing under way. */
  get idle(): boolean {
    return this.phase === 'head' && this.#held === undefined && this.#requests > 0;
  }

  /** Whether it has been accepted and has not said anything yet. */
  get fresh(): boolean {
    return this.phase === 'head' && this.#requests === 0;
  }

  /** Ends the wait for a request: it comes soon, or not at all. */
  hurry(ms: number): void {
    this.#context.wheel.arm(this.timeout, ms);
  }

  /** Whether it has sent more than the exchange in progress has taken. */
  get ahead(): 'no' | 'yes' {
    return this.#held === undefined ? 'no' : 'yes';
  }

  /** Gives what was held back to the exchange that can take it now. */
  feed(): void {
    // Before the exchange takes any: it may find that it has to wait again.
    this.resumeReading();
    const held = this.#held;
    if (held === undefined || this.#run === undefined) return;
    this.#held = undefined;
    const taken = this.#run.clientBytes(held, 0, held.length);
    this.#keep(held, taken, held.length);
  }

  /** The exchange is over: the next request, or the end. */
  exchangeOver(connection: 'keep' | 'close'): void {
    this.#run = undefined;
    if (this.phase !== 'exchange') return;
    // One that has been told `keep` may be sending its next request already: that is answered, with `close`.
    if (connection === 'close') {
      this.close();
      return;
    }
    this.phase = 'head';
    if (this.#loop === 'idle') this.#goOn();
  }

  pauseReading(): void {
    if (this.#reading === 'paused') return;
    this.#reading = 'paused';
    this.socket.pause();
  }

  resumeReading(): void {
    if (this.#reading === 'on') return;
    this.#reading = 'on';
    this.socket.resume();
  }

  /** Ends the connection after what has been written: says so, then reads and drops what still comes for a while (R34). */
  close(): void {
    if (this.phase === 'closing' || this.phase === 'closed') return;
    this.phase = 'closing';
    this.#held = undefined;
    this.resumeReading();
    // A client that reads slowly gets as long as one between two requests.
    this.#context.wheel.arm(this.timeout, this.#context.limits.keepAliveMs);
    this.socket.end(() => {
      if (this.phase === 'closing') this.#context.wheel.arm(this.timeout, lingerMs);
    });
  }

  /**
   * Ends the connection at once. `reset`: what was sent must not look finished, as it always must where something that was written
   * has not even left.
   */
  destroy(how: 'plain' | 'reset'): void {
    this.phase = 'closed';
    this.#held = undefined;
    if (how === 'reset' || this.socket.writableLength > 0) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }

  /** The engine stops: what must end before its deadline prepares for it. */
  leave(): void {
    this.#run?.leave();
  }

  /** Cuts whatever is under way, at the end of a drain. */
  shutdown(): void {
    this.destroy(this.#run?.shutdown() ?? 'plain');
  }

  timedOut(): void {
    this.#guarded('timeout');
  }

  /** Everything that happens but reads; a mistake of ours ends this connection only. */
  #guarded(event: 'drain' | 'end' | 'timeout'): void {
    try {
      if (event === 'drain') this.#drained();
      else if (event === 'end') this.#inputEnded();
      else this.#outOfTime();
    } catch (fault) {
      this.#faulted(fault);
    }
  }

  #drained(): void {
    if (this.phase === 'full') {
      this.phase = 'head';
      this.#goOn();
    } else {
      this.#run?.clientDrained();
    }
  }

  /** Between two exchanges: the next head, from what is there already or from what comes. */
  #goOn(): void {
    const held = this.#held;
    if (held === undefined) {
      this.#awaitNext();
      return;
    }
    this.#held = undefined;
    this.resumeReading();
    this.#readHeads(held, held.length);
  }

  #outOfTime(): void {
    if (this.phase === 'exchange') this.#run?.clientTimedOut();
    else if (this.phase === 'head' && this.#held !== undefined) this.#refuse('request_timeout');
    else if (this.phase === 'head') this.close();
    else this.destroy('plain');
  }

  #read(length: number, bytes: Uint8Array): boolean {
    try {
      if (Buffer.isBuffer(bytes)) this.#received(bytes, length);
    } catch (fault) {
      this.#faulted(fault);
    }
    return true;
  }

  /** Bytes up to `length`, valid during the call. */
  #received(bytes: Buffer, length: number): void {
    if (this.phase === 'head') {
      const held = this.#held;
      if (held === undefined) {
        this.#readHeads(bytes, length);
        return;
      }
      const fresh = bytes.subarray(0, length);
      const all = Buffer.concat([held, fresh]);
      // Without the end of a line there is nothing new to understand.
      if (!fresh.includes(lineFeed) && all.length < this.#context.limits.headBytes) {
        this.#held = all;
      } else {
        this.#held = undefined;
        this.#readHeads(all, all.length);
      }
    } else if (this.phase === 'full') {
      this.#hold(bytes, 0, length);
    } else if (this.phase === 'exchange' && this.#run !== undefined) {
      const taken = this.#held === undefined ? this.#run.clientBytes(bytes, 0, length) : 0;
      this.#keep(bytes, taken, length);
    } else {
      this.#dropped += length;
      if (this.#dropped > lingerBytes) this.destroy('plain');
    }
  }

  /** Runs requests for as long as whole heads are there, exchanges end at once and the client takes the answers. */
  #readHeads(bytes: Buffer, length: number): void {
    this.#loop = 'busy';
    let at = 0;
    while (at < length && this.phase === 'head') {
      if (fullness(this.socket) === 'full') {
        this.phase = 'full';
        this.#context.wheel.arm(this.timeout, this.#context.limits.keepAliveMs);
        break;
      }
      const head = readRequestHead(bytes, [at, length], this.#context.limits, this.facts);
      if (head === 'incomplete' && this.input === 'ended') {
        this.close();
        at = length;
      } else if (head === 'incomplete') {
        this.#held = Buffer.from(bytes.subarray(at, length));
        // Measured from the first byte, however many more come: a drip must not buy time.
        if (this.#headClock === 'stopped')
          this.#context.wheel.arm(this.timeout, this.#context.limits.requestHeadMs);
        this.#headClock = 'running';
        at = length;
      } else if (typeof head === 'string') {
        this.#refuse(head);
        at = length;
      } else {
        this.phase = 'exchange';
        this.#headClock = 'stopped';
        this.#requests += 1;
        this.#context.wheel.disarm(this.timeout);
        const run = new ExchangeRun(this, head, this.#context);
        this.#run = run;
        at = run.begin(bytes, at + head.end, length);
      }
    }
    this.#loop = 'idle';
    if (at < length && (this.phase === 'exchange' || this.phase === 'full')) this.#hold(bytes, at, length);
    else if (this.phase === 'head' && this.#held === undefined) this.#awaitNext();
  }

  #awaitNext(): void {
    const { state, limits, wheel } = this.#context;
    if (this.input === 'ended') this.close();
    else if (this.#requests > 0)
      wheel.arm(this.timeout, state === 'stopping' ? lastRequestMs : limits.keepAliveMs);
  }

  /** What the exchange has left: for later, or the next request if the exchange ended meanwhile. */
  #keep(bytes: Buffer, from: number, to: number): void {
    if (from >= to) return;
    if (this.phase === 'exchange') this.#hold(bytes, from, to);
    else if (this.phase === 'head') this.#readHeads(bytes.subarray(from, to), to - from);
  }

  #hold(bytes: Buffer, from: number, to: number): void {
    const rest = Buffer.from(bytes.subarray(from, to));
    this.#held = this.#held === undefined ? rest : Buffer.concat([this.#held, rest]);
    if (this.#held.length > heldBytes || this.phase === 'full') this.pauseReading();
  }

  /** Answers what is not a request, and ends the connection: nothing behind it can be understood. */
  #refuse(code: ErrorCode): void {
    const step = this.#context.exchanges.refuse(code, this.facts);
    const date = this.#context.httpDate();
    this.socket.write(answerText(step, 'GET', { date, connection: 'close' }), 'latin1');
    this.close();
  }

  #faulted(fault: unknown): void {
    if (this.#run !== undefined) {
      this.#run.faulted(fault);
    } else {
      this.#context.onFault(fault);
      this.destroy('plain');
    }
  }

  #inputEnded(): void {
    this.input = 'ended';
    if (this.phase === 'exchange') this.#run?.clientEnded();
    else if (this.phase === 'head') this.destroy('plain');
  }

  #gone(): void {
    this.phase = 'closed';
    this.#held = undefined;
    const run = this.#run;
    this.#run = undefined;
    run?.clientGone();
  }
}
