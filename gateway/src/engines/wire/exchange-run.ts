import type { ErrorCode } from '../../exchange/errors.ts';
import type {
  AnswerStep,
  AttemptFailure,
  AttemptStep,
  Exchange,
  ExchangeEnd,
  RelayStep,
  RequestHead,
  Step,
} from '../../exchange/seam.ts';
import type { ClientConnection } from './client-connection.ts';
import { Download } from './download.ts';
import type { EngineContext } from './engine-context.ts';
import { isFieldText } from './grammar.ts';
import { answerText, requestText, responseText } from './message-text.ts';
import type { ParsedRequest } from './request-head.ts';
import type { ParsedResponse } from './response-head.ts';
import { Tunnel } from './tunnel.ts';
import { Upload } from './upload.ts';
import type { UpstreamConnection, UpstreamUser } from './upstream-connection.ts';

/** A body up to this size that came together with its head is sent in the same write, and can be sent again. */
const smallBodyBytes = 16_384;
/** An exchange that asks for more attempts than this has lost its way. */
const maxAttempts = 32;
/** Interim responses that an instance may send before its final one. */
const maxInterims = 32;
/** How long a client that has ended its side may hear nothing before it is asked whether it is still there (R40). */
const halfClosedMs = 20;
/**
 * RFC 9110 §15.2: every client must take any number of 1xx. One that is gone answers the first with a reset, which only the
 * second can find.
 */
const probe = 'HTTP/1.1 102 Processing\r\n\r\n';

/** How long the last bytes of a tunnel may take to arrive. */
const tunnelLingerMs = 2_000;

/** What an exchange is asked. */
type Question =
  | { readonly kind: 'begin' }
  | { readonly kind: 'responded'; readonly response: ParsedResponse }
  | { readonly kind: 'failed'; readonly failure: AttemptFailure };

/**
 * One exchange on its client connection: does what the steps say, and says what came of it. Made for each request, forgotten
 * when the exchange is over; a late event finds phase `over` and changes nothing.
 */
export class ExchangeRun implements UpstreamUser {
  readonly #client: ClientConnection;
  readonly #context: EngineContext;
  readonly #request: ParsedRequest;
  readonly #exchange: Exchange;
  #phase: 'deciding' | 'connecting' | 'waiting' | 'relaying' | 'tunnel' | 'draining' | 'over' = 'deciding';
  #attempts = 0;
  #step: AttemptStep | undefined;
  #upstream: UpstreamConnection | undefined;
  #connection: 'fresh' | 'reused' = 'fresh';
  #upload: Upload | undefined;
  #smallBody = '';
  #interims = 0;
  #download: Download | undefined;
  #tunnel: Tunnel | undefined;
  #probes = 0;
  #ended: 'no' | 'yes' = 'no';
  #answerBytes = 0;

  constructor(client: ClientConnection, request: ParsedRequest, context: EngineContext) {
    this.#client = client;
    this.#context = context;
    this.#request = request;
    const { method, target, version, fields, body, upgrade } = request;
    const head: RequestHead = { method, target, version, fields, body, upgrade, client: client.facts };
    this.#exchange = context.exchanges.open(head);
    context.exchangesRunning += 1;
  }

  /** Starts it, with the bytes that came behind the head. Returns the index after those it took. */
  begin(bytes: Buffer, from: number, to: number): number {
    const { body } = this.#request;
    let at = from;
    if (body.kind === 'length' && body.bytes <= smallBodyBytes && body.bytes <= to - from) {
      at = from + body.bytes;
      this.#smallBody = bytes.toString('latin1', from, at);
    } else if (body.kind !== 'none') {
      this.#upload = new Upload(body, this.#context.limits.bodyBytes);
    }
    this.#act(this.#ask({ kind: 'begin' }));
    return at < to ? this.clientBytes(bytes, at, to) : at;
  }

  /** Bytes of the client that follow the head, valid during the call. Returns the index after those it took; the rest is offered again. */
  clientBytes(bytes: Buffer, from: number, to: number): number {
    if (this.#phase === 'tunnel') {
      this.#tunnel?.fromClient(bytes.subarray(from, to));
      return to;
    }
    const upload = this.#upload;
    if (this.#phase === 'draining' && upload !== undefined) return this.#drain(upload, bytes, [from, to]);
    const upstream = this.#upstream;
    const ready = this.#phase === 'waiting' || this.#phase === 'relaying';
    if (!ready || upstream === undefined || upload === undefined || upload.state === 'done') return from;
    const progress = upload.push(upstream, this.#client.inlet, bytes, [from, to]);
    switch (progress) {
      case 'flowing':
        this.#context.wheel.arm(this.#client.timeout, this.#idleMs);
        break;
      case 'full':
        this.#client.pauseReading();
        this.#context.wheel.disarm(this.#client.timeout);
        upstream.arm(this.#idleMs);
        break;
      case 'done':
        this.#uploaded();
        break;
      default:
        this.#uploadFailed(progress);
    }
    return upload.end;
  }

  clientDrained(): void {
    if (this.#phase === 'tunnel') this.#tunnel?.clientDrained();
    else if (this.#phase === 'relaying' && this.#upstream !== undefined) {
      this.#context.wheel.disarm(this.#client.timeout);
      this.#upstream.arm(this.#idleMs);
      this.#upstream.socket.resume();
    }
  }

  /** The client has ended its side. Before the end of its request it has left; after it, it may still wait for the answer. */
  clientEnded(): void {
    if (this.#phase === 'tunnel') {
      this.#tunnel?.clientEnded();
      this.#afterTunnel();
    } else if (this.#uploading) this.#client.destroy('plain');
    else this.#context.wheel.arm(this.#client.timeout, halfClosedMs);
  }

  /** The client connection is gone. */
  clientGone(): void {
    if (this.#ended === 'yes') return;
    const undecided = this.#phase !== 'relaying' && this.#phase !== 'tunnel';
    const failure = this.#failure('client_closed', 'something');
    this.#dropUpstream('reset');
    if (undecided) this.#ask({ kind: 'failed', failure });
    this.#end('client_closed');
  }

  clientTimedOut(): void {
    if (this.#phase === 'draining') this.#client.destroy('plain');
    else if (this.#uploading && this.#phase !== 'relaying') this.#uploadFailed('request_timeout');
    else if (this.#client.input === 'ended' && this.#phase !== 'relaying') {
      if (this.#request.version === '1.0' || this.#probes === 2) return;
      this.#probes += 1;
      this.#client.socket.write(probe, 'latin1');
      this.#context.wheel.arm(this.#client.timeout, 0);
    } else this.#client.destroy('plain'); // it takes nothing any more, or left in the middle of a stream that has fallen silent
  }

  upstreamConnected(): void {
    const step = this.#step;
    const upstream = this.#upstream;
    if (step === undefined || upstream === undefined) return;
    this.#phase = 'waiting';
    const text = requestText(step, this.#request) + this.#smallBody;
    upstream.writes += text.length > smallBodyBytes ? 2 : 1;
    upstream.socket.write(text, 'latin1');
    if (this.#upload === undefined) {
      upstream.arm(step.timeouts.responseHeadMs);
      return;
    }
    // A client that waits for a 100 sends nothing before the instance speaks.
    if (this.#expectation === 'continue') upstream.arm(step.timeouts.responseHeadMs);
    else upstream.disarm();
    this.#context.wheel.arm(this.#client.timeout, step.timeouts.idleMs);
    this.#client.feed();
  }

  upstreamBytes(bytes: Buffer, from: number, to: number): void {
    switch (this.#phase) {
      case 'waiting':
        this.#readHead(bytes, from, to);
        return;
      case 'relaying':
        this.#relay(bytes, from, to);
        return;
      case 'tunnel':
        this.#tunnel?.fromUpstream(bytes.subarray(from, to));
        return;
      default:
        this.#dropUpstream('plain');
    }
  }

  upstreamEnded(): void {
    if (this.#phase === 'tunnel') {
      this.#tunnel?.upstreamEnded();
      this.#afterTunnel();
    } else if (this.#phase === 'relaying') {
      if (this.#download?.upstreamEnded() === 'complete') this.#complete(0);
      else this.#cut();
    } else
      this.#attemptFailed(
        this.#upstream?.heads.partial === 'yes' ? 'response_incomplete' : 'upstream_reset',
        'something',
      );
  }

  upstreamLost(code: ErrorCode, sent: 'nothing' | 'something'): void {
    if (this.#phase === 'relaying' || this.#phase === 'tunnel') this.#cut();
    else this.#attemptFailed(code, sent);
  }

  upstreamDrained(): void {
    if (this.#phase === 'tunnel') this.#tunnel?.upstreamDrained();
    else if (this.#uploading) {
      if (this.#phase === 'relaying') this.#upstream?.arm(this.#idleMs);
      else this.#upstream?.disarm();
      this.#context.wheel.arm(this.#client.timeout, this.#idleMs);
      this.#client.resumeReading();
      this.#client.feed();
    }
  }

  upstreamTimedOut(): void {
    if (this.#phase === 'relaying') this.#cut();
    else if (this.#phase === 'tunnel') {
      this.#dropUpstream('plain');
      this.#end('complete');
      this.#client.destroy('plain');
    } else
      this.#attemptFailed(this.#phase === 'connecting' ? 'connect_timeout' : 'upstream_timeout', 'something');
  }

  /** A mistake of ours: it ends this exchange and its connections, and nothing else. */
  faulted(fault: unknown): void {
    this.#context.onFault(fault);
    this.#dropUpstream('reset');
    this.#end('response_incomplete');
    this.#client.destroy('reset');
  }

  /** Cuts it, at the end of a drain. */
  shutdown(): void {
    if (this.#ended === 'yes') return;
    this.#dropUpstream('reset');
    this.#end('shutdown');
  }

  /** Asks the exchange what to do. Should it throw, the mistake is ours and ends this exchange only. */
  #ask(question: Question): Step {
    try {
      switch (question.kind) {
        case 'begin':
          return this.#exchange.begin();
        case 'responded':
          return this.#exchange.responded(question.response);
        case 'failed':
          return this.#exchange.failed(question.failure);
      }
    } catch (fault) {
      this.#context.onFault(fault);
      return this.#context.exchanges.refuse('internal', this.#client.facts);
    }
  }

  get #idleMs(): number {
    return this.#step?.timeouts.idleMs ?? this.#context.limits.keepAliveMs;
  }

  get #uploading(): boolean {
    return this.#upload?.state === 'more';
  }

  #act(step: Step): void {
    switch (step.kind) {
      case 'attempt':
        this.#attempt(step);
        return;
      case 'answer':
        this.#answer(step);
        return;
      case 'relay':
      case 'finish':
        this.#dropUpstream('reset');
        this.#end('client_closed');
        this.#client.destroy('plain');
    }
  }

  #attempt(step: AttemptStep): void {
    this.#dropUpstream('plain');
    this.#attempts += 1;
    this.#step = step;
    if (this.#attempts > maxAttempts || this.#upload?.taken === 'some') {
      this.#answer(this.#context.exchanges.refuse('internal', this.#client.facts));
      return;
    }
    // R29: what follows an upgrade request must be the new protocol's, so it can have no body.
    if (step.upgrade !== undefined && (this.#upload !== undefined || this.#smallBody !== '')) {
      this.#attemptFailed('bad_request', 'nothing');
      return;
    }
    const { pools } = this.#context;
    if (step.connection === 'fresh') pools.dropIdle(step.endpoint);
    const idle = step.connection === 'any' ? pools.take(step.endpoint, this) : undefined;
    this.#connection = idle === undefined ? 'fresh' : 'reused';
    if (idle !== undefined) {
      this.#upstream = idle;
      this.upstreamConnected();
      return;
    }
    this.#phase = 'connecting';
    this.#upstream = pools.open(step.endpoint, this);
    if (this.#upstream === undefined) this.#attemptFailed('connect_failed', 'nothing');
    else this.#upstream.arm(step.timeouts.connectMs);
  }

  #readHead(bytes: Buffer, from: number, to: number): void {
    const heads = this.#upstream?.heads;
    if (heads === undefined) return;
    heads.add(bytes, from, to);
    for (;;) {
      const head = heads.next(this.#request.method, this.#context.limits);
      if (head === 'incomplete') return;
      if (head === 'malformed') {
        this.#attemptFailed('upstream_protocol', 'something');
        return;
      }
      if (head.status >= 200 || head.status === 101) {
        this.#responded(head, heads.bytes, [heads.at, heads.end]);
        return;
      }
      this.#interims += 1;
      if (this.#interims > maxInterims) {
        this.#attemptFailed('upstream_protocol', 'something');
        return;
      }
      const fields = this.#exchange.interim(head);
      // R10: HTTP/1.0 knows no interim responses, and a 100 is for who waits for one.
      const expected = head.status !== 100 || this.#expectation === 'continue';
      if (fields !== undefined && this.#request.version === '1.1' && expected) {
        const { status, reason } = head;
        this.#client.socket.write(
          responseText({ status, reason, fields }, { kind: 'none' }, 'keep'),
          'latin1',
        );
      }
      // Told to go on: from here it is the client that is waited for.
      if (head.status === 100 && this.#uploading) this.#upstream?.disarm();
      if (heads.at === heads.end) return;
    }
  }

  #responded(response: ParsedResponse, bytes: Buffer, [from, to]: readonly [number, number]): void {
    const upgrade = this.#step?.upgrade;
    if (response.status === 101 && (upgrade === undefined || response.upgrade !== upgrade.toLowerCase())) {
      this.#attemptFailed('upgrade_failed', 'something'); // R31
      return;
    }
    const step = this.#ask({ kind: 'responded', response });
    if (step.kind !== 'relay') {
      this.#dropUpstream('plain');
      this.#act(step);
    } else if (response.status === 101 && upgrade !== undefined)
      this.#startTunnel(step, upgrade, bytes.subarray(from, to));
    else {
      this.#phase = 'relaying';
      // An answer that refuses won't have its body read; the client should hear that the connection ends (R34, R35).
      const unread = this.#uploading && (response.status >= 300 || this.#expectation === 'continue');
      // What a client has sent behind an upgrade is of the new protocol; without one, nobody can read it (R29).
      const stray = upgrade !== undefined && this.#client.ahead === 'yes';
      const connection = unread || stray || step.connection === 'close' ? 'close' : this.#persistence;
      this.#download = new Download(this.#client.socket, this.#request, { step, response }, connection);
      this.#relay(bytes, from, to);
    }
  }

  #relay(bytes: Buffer, from: number, to: number): void {
    const download = this.#download;
    const upstream = this.#upstream;
    if (download === undefined || upstream === undefined) return;
    const fullness = download.push(upstream, bytes, from, to);
    if (download.state === 'done') this.#complete(to - download.end);
    else if (download.state === 'faulty') this.#cut();
    else if (fullness === 'full') {
      upstream.socket.pause();
      upstream.disarm();
      this.#context.wheel.arm(this.#client.timeout, this.#idleMs);
    } else {
      upstream.arm(this.#idleMs);
      if (this.#client.input === 'ended') this.#context.wheel.arm(this.#client.timeout, halfClosedMs);
    }
  }

  /** The whole response has been written. `surplus`: bytes that the instance sent after it (R32). */
  #complete(surplus: number): void {
    const upstream = this.#upstream;
    const download = this.#download;
    this.#upstream = undefined;
    const requestDone = !this.#uploading;
    if (upstream !== undefined && download !== undefined) {
      const { persistence, keepAliveSeconds } = download.response;
      if (requestDone && persistence === 'keep' && surplus === 0)
        this.#context.pools.giveBack(upstream, keepAliveSeconds);
      else upstream.destroy();
    }
    this.#end('complete');
    this.#client.exchangeOver(requestDone && download !== undefined ? download.connection : 'close');
  }

  #startTunnel(step: RelayStep, upgrade: string, behind: Buffer): void {
    const upstream = this.#upstream;
    if (upstream === undefined) return;
    this.#phase = 'tunnel';
    this.#client.socket.write(responseText(step, { kind: 'none' }, { upgrade }), 'latin1');
    this.#tunnel = new Tunnel(this.#client, upstream, this.#idleMs);
    if (behind.length > 0) this.#tunnel.fromUpstream(behind);
    this.#client.feed();
    if (this.#client.input === 'ended') this.clientEnded();
  }

  #afterTunnel(): void {
    if (this.#tunnel?.state !== 'over') return;
    const upstream = this.#upstream;
    this.#upstream = undefined;
    // Both ways are ended; what is still on its way gets a moment to arrive.
    if (upstream !== undefined) {
      upstream.user = undefined;
      upstream.arm(tunnelLingerMs);
    }
    this.#end('complete');
    this.#client.exchangeOver('close');
  }

  #answer(given: AnswerStep): void {
    this.#dropUpstream('plain');
    const step = this.#writable(given);
    const upload = this.#uploading ? this.#upload : undefined;
    // A short rest of a body is worth waiting for, to keep the connection; not from a client that may never send it.
    const short = (upload?.leftBytes ?? Infinity) <= smallBodyBytes && this.#expectation === 'none';
    const readable = upload === undefined || short ? this.#persistence : 'close';
    const connection = step.connection === 'close' ? 'close' : readable;
    const { method } = this.#request;
    const date = this.#context.httpDate();
    this.#client.socket.write(answerText(step, method, { date, connection }), 'latin1');
    this.#answerBytes = method === 'HEAD' ? 0 : Buffer.byteLength(step.body);
    this.#end('complete');
    if (upload === undefined || connection === 'close') this.#client.exchangeOver(connection);
    else {
      this.#phase = 'draining';
      this.#context.wheel.arm(this.#client.timeout, this.#idleMs);
      this.#client.feed();
    }
  }

  /** An answer whose fields would break out of their lines is a mistake of ours, and never written. */
  #writable(step: AnswerStep): AnswerStep {
    if (step.fields.every(isFieldText)) return step;
    this.#context.onFault(new Error(`an answer ${String(step.status)} has a field that can not be written`));
    return this.#context.exchanges.refuse('internal', this.#client.facts);
  }

  /** Reads over the rest of a body that nobody wants; then the next request may come (R35). */
  #drain(upload: Upload, bytes: Buffer, [from, to]: readonly [number, number]): number {
    upload.skip(bytes, from, to);
    if (upload.state === 'done') {
      this.#phase = 'over';
      this.#context.wheel.disarm(this.#client.timeout);
      this.#client.exchangeOver('keep');
    }
    return upload.end;
  }

  #uploaded(): void {
    this.#client.inlet.settle();
    this.#context.wheel.disarm(this.#client.timeout);
    if (this.#phase === 'waiting' && this.#step !== undefined)
      this.#upstream?.arm(this.#step.timeouts.responseHeadMs);
    if (this.#client.input === 'ended') this.#context.wheel.arm(this.#client.timeout, halfClosedMs);
  }

  /** The client's body can't go on: it is faulty, too large or too slow. */
  #uploadFailed(code: ErrorCode): void {
    if (this.#phase !== 'relaying') this.#attemptFailed(code, 'something');
    else this.#client.destroy('plain');
  }

  /** The instance broke off in the middle of its answer: the client must see that it is not whole (R38). */
  #cut(): void {
    const how = this.#download?.endsWithConnection === true || this.#tunnel !== undefined ? 'reset' : 'plain';
    this.#dropUpstream('plain');
    this.#end('response_incomplete');
    this.#client.destroy(how);
  }

  #attemptFailed(code: ErrorCode, sent: 'nothing' | 'something'): void {
    const failure = this.#failure(code, sent);
    this.#dropUpstream('reset');
    this.#phase = 'deciding';
    this.#act(this.#ask({ kind: 'failed', failure }));
  }

  #failure(code: ErrorCode, sent: 'nothing' | 'something'): AttemptFailure {
    const unsent = sent === 'nothing' || this.#phase === 'connecting' || this.#phase === 'deciding';
    const how = this.#upload?.taken === 'some' ? 'body' : unsent ? 'nothing' : 'head';
    return { code, sent: how, connection: this.#connection };
  }

  /** A request whose body the instance has not got whole is not taken for finished: its connection is reset. */
  #dropUpstream(how: 'plain' | 'reset'): void {
    const upstream = this.#upstream;
    this.#upstream = undefined;
    if (how === 'reset') upstream?.reset();
    else upstream?.destroy();
  }

  /** A client of HTTP/1.0 waits for nothing (RFC 9110 §10.1.1). */
  get #expectation(): 'none' | 'continue' {
    return this.#request.version === '1.1' ? this.#request.expectation : 'none';
  }

  get #persistence(): 'keep' | 'close' {
    return this.#context.state === 'open' ? this.#request.persistence : 'close';
  }

  #end(kind: ExchangeEnd['kind']): void {
    this.#phase = 'over';
    if (this.#ended === 'yes') return;
    this.#ended = 'yes';
    this.#context.exchangesRunning -= 1;
    const requestBytes = this.#tunnel?.clientBytes ?? this.#upload?.contentBytes ?? this.#smallBody.length;
    const responseBytes = this.#tunnel?.upstreamBytes ?? this.#download?.contentBytes ?? this.#answerBytes;
    try {
      this.#exchange.ended({ kind, requestBytes, responseBytes });
    } catch (fault) {
      this.#context.onFault(fault);
    }
  }
}
