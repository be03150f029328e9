import type { Socket } from 'node:net';

import type { ErrorCode } from '../exchange/errors.ts';
import type { Persistence } from '../http/connection.ts';
import type { ClientFacts } from '../http/message.ts';
import type { ClientPort, CutBy } from '../proxy/ports.ts';
import type { ProxyContext } from '../proxy/proxy-context.ts';
import { lastRequestMs } from '../proxy/drain-schedule.ts';
import { ExchangeRun } from '../proxy/run.ts';
import type { ConnectionGroup } from '../listeners/admission.ts';
import type { ConnectionParts, ListenerConnection } from '../listeners/traffic-listener.ts';
import { readInto } from '../sockets/accepted-socket.ts';
import { Linger, lingerMs } from '../sockets/linger.ts';
import { movedBytes } from '../sockets/moved-bytes.ts';
import { PacedReads } from '../sockets/paced-reads.ts';
import { ReadBuffer, type ReadBuffers } from '../sockets/read-buffer.ts';
import { Timeout, type TimeoutOwner } from '../sockets/timeout-wheel.ts';
import { BodyReader } from './body-reader.ts';
import { requestFault } from './head-fault.ts';
import { enoughBytes, HeldInput, type InputSource } from './held-input.ts';
import { readRequestHead, type ParsedRequest } from './request-head.ts';
import { Http1ResponseWriter } from './response-writer.ts';

/** A body up to this size that came together with its head is sent in the same write. */
const smallBodyBytes = 16_384;

/** The same for all connections: one closure less for each of thousands. */
const closeFollows = (): void => undefined;

/**
 * A client's HTTP/1.1 connection: reads one request head after the other, has each exchange run to its end before the next begins
 * (R41), and closes so that the last answer arrives. Ends by itself, by `close` or by `destroy`.
 */
export class Http1ClientConnection implements ClientPort, TimeoutOwner {
  readonly socket: Socket;
  readonly timeout: Timeout;
  readonly facts: ClientFacts;
  group: ConnectionGroup | undefined = undefined;
  next: ListenerConnection | undefined = undefined;
  previous: ListenerConnection | undefined = undefined;
  readonly response: Http1ResponseWriter;
  /**
   * `head`: between exchanges. `full`: the same, but the client has to take its answers before more are made. `closing`: the last
   * answer has been written.
   */
  phase: 'head' | 'full' | 'exchange' | 'closing' | 'closed' = 'head';
  input: 'open' | 'ended' = 'open';
  smallBody = '';
  body: BodyReader | undefined;
  readonly #context: ProxyContext;
  readonly #buffer: ReadBuffer;
  #run: ExchangeRun | undefined;
  /** Bytes that have not been understood yet: part of a head, or what follows the request in progress. */
  readonly #held: HeldInput;
  readonly #reads: PacedReads;
  /** Whether the loop over heads is running further up the stack. */
  #looping = false;
  /** Whether the time for a head is running; for the first one since the connection was accepted. */
  #headClockRuns = true;
  #requests = 0;
  /** Since when it waits for a request, or for the rest of its head; by the wheel. */
  #waitsSinceMs = 0;
  /** From the last answer on. */
  #linger: Linger | undefined;

  /** `accepted`: fresh from a server with `pauseOnConnect`. */
  constructor(
    accepted: Socket,
    { client, context, onClosed, buffers }: ConnectionParts & { readonly buffers: ReadBuffers },
  ) {
    this.#context = context;
    this.facts = client;
    this.timeout = new Timeout(this);
    this.#held = new HeldInput(context.memory);
    this.#buffer = new ReadBuffer(buffers);
    this.#awaitHead(context.limits.requestHeadMs);
    const socket = (this.socket = readInto(accepted, {
      buffer: () => this.#buffer.next(),
      callback: (length, bytes) => this.#read(length, bytes),
    }));
    this.#reads = new PacedReads(buffers.turns, socket, context.wheel);
    this.response = new Http1ResponseWriter(socket, context);
    socket.on('end', () => {
      this.#guarded('end');
    });
    socket.on('drain', () => {
      this.#guarded('drain');
    });
    socket.on('error', closeFollows);
    socket.on('close', () => {
      this.#gone();
      this.#buffer.close();
      this.response.writes.settle();
      this.#context.wheel.remove(this.timeout);
      onClosed(this);
    });
  }

  get movedBytes(): number {
    return movedBytes(this.socket);
  }

  get waitingMs(): number | undefined {
    if (this.phase !== 'head' || this.socket.writableLength > 0) return undefined;
    return this.#context.wheel.nowMs - this.#waitsSinceMs;
  }

  get ahead(): boolean {
    return this.#held.length > 0;
  }

  resume(): void {
    // Before the run takes any: it may pause again.
    this.#reads.resume();
    const held = this.#held.take();
    if (held.length > 0) this.#keep(held, this.#deliver(held, 0, held.length), held.length);
  }

  done(persistence: Persistence): void {
    this.#run = undefined;
    // Idle connections keep nothing of their last request.
    this.body = undefined;
    this.smallBody = '';
    this.response.request = undefined;
    this.#buffer.settle();
    if (this.phase !== 'exchange') return;
    // A client that was told `keep` may be sending its next request already: that is answered, with `close`.
    if (persistence === 'keep') this.phase = 'head';
    else this.close();
    if (this.phase === 'head' && !this.#looping) this.#goOn();
  }

  pause(): void {
    this.#reads.pause();
  }

  /** Ends the connection after what has been written: says so, then reads and drops what still comes (R34). */
  close(): void {
    if (this.phase === 'closing' || this.phase === 'closed') return;
    this.phase = 'closing';
    this.#held.take();
    this.#linger = new Linger(this.socket);
    this.#reads.resume();
    // A client that reads slowly gets as long as one between two requests.
    this.#context.wheel.arm(this.timeout, this.#context.limits.keepAliveMs);
    this.socket.end(() => {
      if (this.phase === 'closing') this.#context.wheel.arm(this.timeout, lingerMs);
    });
  }

  /** What was written and has not left yet is cut as well, which always shows as a reset. */
  destroy(how: CutBy): void {
    this.phase = 'closed';
    this.#held.take();
    if (how === 'reset' || this.socket.writableLength > 0) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }

  /** The listener stops. An idle connection gets `graceMs` for one more request. */
  drain(graceMs: number): void {
    this.#run?.drain();
    // An idle connection looks like one whose next request is on its way.
    if (this.phase === 'head' && !this.ahead) this.#context.wheel.arm(this.timeout, graceMs);
  }

  /** Cuts what is under way, at the end of a drain. */
  shutdown(): void {
    this.destroy(this.#run?.shutdown() ?? 'plain');
  }

  timedOut(): void {
    this.#guarded('timeout');
  }

  /** Everything that happens but reads; a mistake of the gateway's own ends this connection only. */
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
    this.response.writes.settle();
    if (this.phase === 'full') {
      this.phase = 'head';
      this.#goOn();
    } else {
      this.#run?.clientDrained();
    }
  }

  /** Between two exchanges: the next head, from what is there already or from what comes. */
  #goOn(): void {
    const held = this.#held.take();
    if (held.length < enoughBytes) this.#reads.resume();
    if (held.length > 0) this.#readHeads(held, held.length, 'held');
    else this.#awaitNext();
    if (this.phase === 'head') this.#reads.resume();
  }

  #outOfTime(): void {
    if (this.phase === 'exchange') this.#run?.clientTimedOut();
    else if (this.phase === 'head' && this.ahead) this.#refuse('request_timeout');
    else if (this.phase === 'head') this.close();
    else if (this.#linger?.moves() === true) this.#context.wheel.arm(this.timeout, lingerMs);
    else this.destroy('plain');
  }

  #read(length: number, bytes: Uint8Array): boolean {
    this.#buffer.filled(length);
    try {
      if (Buffer.isBuffer(bytes)) this.#received(bytes, length);
    } catch (fault) {
      this.#faulted(fault);
    }
    this.#reads.after(length, this.phase === 'head' ? 'end' : 'part');
    return true;
  }

  /** Bytes up to `length`, valid during the call. */
  #received(bytes: Buffer, length: number): void {
    if (this.phase === 'head') {
      if (!this.ahead) {
        this.#readHeads(bytes, length);
      } else if (this.#held.addToHead(bytes, length) || this.#held.length >= this.#context.limits.headBytes) {
        const held = this.#held.take();
        this.#readHeads(held, held.length, 'held');
      } else if (!this.#context.memory.admits('request')) {
        this.#refuse('exhausted');
      }
    } else if (this.phase === 'full') {
      this.#hold(bytes, 0, length);
    } else if (this.phase === 'exchange') {
      const taken = this.ahead ? 0 : this.#deliver(bytes, 0, length);
      this.#keep(bytes, taken, length);
    }
  }

  /** Gives bytes to the run, as far as it takes them. Returns the index after those. */
  #deliver(bytes: Buffer, from: number, to: number): number {
    const run = this.#run;
    if (run?.takes === 'body' && this.body !== undefined) {
      const { body } = this;
      const end = body.read(bytes, from, to);
      run.clientBody(body);
      body.forget();
      return end;
    }
    if (run?.takes !== 'raw') return from;
    run.clientRaw(bytes, from, to);
    return to;
  }

  /** Runs requests for as long as whole heads are there, exchanges end at once and the client takes the answers. */
  #readHeads(bytes: Buffer, length: number, source: InputSource = 'read'): void {
    this.#looping = true;
    let at = 0;
    while (at < length && this.phase === 'head') {
      if (this.response.flow === 'full') {
        this.phase = 'full';
        this.#context.wheel.arm(this.timeout, this.#context.limits.keepAliveMs);
        break;
      }
      const head = readRequestHead(bytes, [at, length], this.#context.limits, this.facts);
      if (typeof head === 'string') {
        if (head !== 'incomplete') this.#refuse(head, bytes.toString('latin1', at, length));
        else if (this.input === 'ended') this.close();
        else this.#awaitRest(bytes, at, length);
        at = length;
      } else {
        this.phase = 'exchange';
        this.#headClockRuns = false;
        this.#requests += 1;
        this.#context.wheel.disarm(this.timeout);
        at = this.#begin(head, bytes, [at + head.end, length]);
      }
    }
    this.#looping = false;
    if (at < length && (this.phase === 'exchange' || this.phase === 'full'))
      this.#hold(bytes, at, length, source);
    else if (this.phase === 'head' && !this.ahead) this.#awaitNext();
  }

  /** Starts the exchange of a head with the bytes behind it. Returns the index after those that it took. */
  #begin(head: ParsedRequest, bytes: Buffer, [from, to]: readonly [number, number]): number {
    const { body } = head;
    let at = from;
    if (body.kind === 'length' && body.bytes <= smallBodyBytes && body.bytes <= to - from) {
      at = from + body.bytes;
      this.smallBody = bytes.toString('latin1', from, at);
    } else if (body.kind !== 'none') {
      const length = body.kind === 'length' ? body.bytes : 0;
      this.body = new BodyReader(body.kind, length, { form: 'framed', source: this.#buffer });
    }
    this.response.request = head;
    const run = (this.#run = new ExchangeRun(this, head, this.#context));
    run.begin();
    return at < to && this.#run === run ? this.#deliver(bytes, at, to) : at;
  }

  #awaitNext(): void {
    const { state, limits } = this.#context;
    if (this.input === 'ended') this.close();
    else if (this.#requests > 0) this.#awaitHead(state === 'stopping' ? lastRequestMs : limits.keepAliveMs);
  }

  /** Part of a head has come. */
  #awaitRest(bytes: Buffer, from: number, to: number): void {
    this.#held.add(bytes, from, to);
    // Measured from the first byte, however many more come: a drip must not buy time.
    if (!this.#headClockRuns) this.#awaitHead(this.#context.limits.requestHeadMs);
    this.#headClockRuns = true;
    if (!this.#context.memory.admits('request')) this.#refuse('exhausted');
  }

  #awaitHead(ms: number): void {
    this.#waitsSinceMs = this.#context.wheel.nowMs;
    this.#context.wheel.arm(this.timeout, ms);
  }

  /** What the exchange has left: for later, or the next request if the exchange ended meanwhile. */
  #keep(bytes: Buffer, from: number, to: number): void {
    if (from >= to) return;
    if (this.phase === 'exchange') this.#hold(bytes, from, to);
    else if (this.phase === 'head') this.#readHeads(bytes.subarray(from, to), to - from);
  }

  #hold(bytes: Buffer, from: number, to: number, source: InputSource = 'read'): void {
    this.#held.add(bytes, from, to, source);
    if (this.#held.enough || this.phase === 'full') this.pause();
  }

  /** Answers what is not a request, and ends the connection: nothing behind it can be understood. */
  #refuse(code: ErrorCode, head = ''): void {
    const { limits, exchanges } = this.#context;
    const detail = requestFault(code, head, limits);
    this.response.request = undefined;
    this.response.answer(exchanges.refuse(code, this.facts, detail), 'close');
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
    this.#held.take();
    const run = this.#run;
    this.#run = undefined;
    run?.clientGone();
  }
}
