import { connect, type LookupFunction, type Socket } from 'node:net';

import {
  expectedIdentity,
  identityQuestion,
  type Instance,
  readIdentityAnswer,
} from '@roundhouse/agent-sdk/internal';

import { readCheckAnswer } from './check-answer.ts';
import type { EventLoopWatch } from './event-loop-watch.ts';
import type { Probe, ProbeQuestion, ProbeResult } from './probe.ts';

/** What a prober needs from outside. */
export interface ProberOptions {
  /** `verify`: an instance that supports it has to prove its identity before anything else counts. */
  readonly identity: () => 'verify' | 'off';
  /** Resolves host names and refuses addresses that must not be reached; the same as the engines'. */
  readonly lookup: LookupFunction;
  readonly loop: Pick<EventLoopWatch, 'lostMs'>;
}

/** Probes over fresh connections, one each, closed when the answer is known. */
export function createProber(options: ProberOptions): Probe {
  return (instance, question, signal) =>
    signal.aborted ? Promise.resolve(cancelled) : new Probing(options, instance, question, signal).result;
}

const cancelled: ProbeResult = { kind: 'inconclusive', reason: 'cancelled' };

/** How far a probe has got. */
type Stage = 'connecting' | 'asking who answers' | 'asking for the path' | 'settled';

const closedReasons: Readonly<Record<Exclude<Stage, 'settled'>, string>> = {
  connecting: 'the connection was closed',
  'asking who answers': 'wrong instance: the connection was closed where its id was expected',
  'asking for the path': 'the connection was closed without an answer',
};

const timeoutReasons: Readonly<Record<Exclude<Stage, 'settled'>, string>> = {
  connecting: 'no connection',
  'asking who answers': 'no word on who answers',
  'asking for the path': 'no answer',
};

/** One probe under way. Owns its socket, its timer and its place on the signal until it is settled. */
class Probing {
  readonly result: Promise<ProbeResult>;
  readonly #options: ProberOptions;
  readonly #instance: Instance;
  readonly #question: ProbeQuestion;
  readonly #identity: string | undefined;
  readonly #signal: AbortSignal;
  readonly #socket: Socket;
  readonly #timer: NodeJS.Timeout;
  readonly #lostMs: number;
  #resolve: (result: ProbeResult) => void = () => undefined;
  #stage: Stage = 'connecting';
  #text = '';

  constructor(options: ProberOptions, instance: Instance, question: ProbeQuestion, signal: AbortSignal) {
    this.#options = options;
    this.#instance = instance;
    this.#question = question;
    this.#signal = signal;
    this.#identity = options.identity() === 'verify' ? expectedIdentity(instance) : undefined;
    this.#lostMs = options.loop.lostMs();
    this.result = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    // What has arrived by then is read before the time is called over: timers come first in a turn of the loop.
    this.#timer = setTimeout(() => setImmediate(this.#onTimeout), question.timeoutMs);
    signal.addEventListener('abort', this.#onAbort);
    const { address: host, port } = instance;
    this.#socket = connect({ host, port, lookup: options.lookup, noDelay: true });
    this.#socket.on('connect', this.#onConnect);
    this.#socket.on('data', this.#onData);
    this.#socket.on('error', this.#onError);
    this.#socket.on('end', this.#onClosed);
    this.#socket.on('close', this.#onClosed);
  }

  readonly #onConnect = (): void => {
    if (this.#stage !== 'connecting') return;
    if (this.#identity === undefined) {
      this.#onKnown();
      return;
    }
    this.#stage = 'asking who answers';
    this.#socket.write(identityQuestion(this.#instance), 'latin1');
  };

  /** The right one is connected. */
  #onKnown(): void {
    if (this.#question.kind === 'tcp') {
      this.#alive();
      return;
    }
    this.#stage = 'asking for the path';
    this.#text = '';
    const { address, port } = this.#instance;
    const host = address.includes(':') ? `[${address}]` : address;
    const head = [
      `GET ${this.#question.path} HTTP/1.1`,
      `Host: ${host}:${port}`,
      'User-Agent: roundhouse-check',
      'Accept: */*',
      'Connection: close',
    ];
    this.#socket.write(`${head.join('\r\n')}\r\n\r\n`, 'latin1');
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#stage === 'asking who answers') {
      this.#text += chunk.toString('latin1');
      const answer = readIdentityAnswer(this.#text, this.#identity ?? '');
      if (answer === 'match') this.#onKnown();
      else if (answer === 'mismatch') this.#dead('wrong instance: somebody else answers at its address');
    } else if (this.#stage === 'asking for the path') {
      this.#text += chunk.toString('latin1');
      const status = readCheckAnswer(this.#text);
      if (status === 'incomplete') return;
      if (status === 'garbage') this.#dead('answered with something that is not HTTP');
      else if (status >= 200 && status < 400) this.#alive();
      else this.#dead(`answered ${status}`);
    }
  };

  readonly #onError = (error: Error): void => {
    const { code, reason } = explain(error);
    const wrong = this.#stage === 'asking who answers' ? 'wrong instance: ' : '';
    // What the gateway itself has run out of is nobody's fault but its own.
    if (code === 'EMFILE' || code === 'ENFILE' || code === 'EADDRNOTAVAIL')
      this.#settle({ kind: 'inconclusive', reason });
    else this.#dead(`${wrong}${reason}`);
  };

  readonly #onClosed = (): void => {
    if (this.#stage !== 'settled') this.#dead(closedReasons[this.#stage]);
  };

  readonly #onTimeout = (): void => {
    if (this.#stage === 'settled') return;
    const { timeoutMs } = this.#question;
    const lostMs = this.#options.loop.lostMs() - this.#lostMs;
    if (lostMs > timeoutMs / 2)
      this.#settle({ kind: 'inconclusive', reason: `the gateway stalled for ${Math.round(lostMs)} ms` });
    else this.#dead(`${timeoutReasons[this.#stage]} within ${timeoutMs} ms`);
  };

  readonly #onAbort = (): void => {
    this.#settle(cancelled);
  };

  #alive(): void {
    this.#settle({ kind: 'alive' });
  }

  #dead(reason: string): void {
    this.#settle({ kind: 'dead', reason });
  }

  #settle(result: ProbeResult): void {
    if (this.#stage === 'settled') return;
    this.#stage = 'settled';
    clearTimeout(this.#timer);
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#socket.destroy();
    if (this.#socket.closed) {
      this.#resolve(result);
    } else {
      this.#socket.once('close', () => {
        this.#resolve(result);
      });
    }
  }
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ETIMEDOUT: 'no connection: the network gave up',
  EHOSTUNREACH: 'no route to its address',
  ENETUNREACH: 'no route to its address',
  ENOTFOUND: 'its host name is not known',
  EAI_AGAIN: 'its host name could not be resolved',
  EMFILE: 'the gateway has no file descriptor left',
  ENFILE: 'the gateway has no file descriptor left',
  EADDRNOTAVAIL: 'the gateway has no port left',
};

/** A system error for a person; several tries (a name with several addresses) are told by the last one. */
function explain(error: unknown): { readonly code: string | undefined; readonly reason: string } {
  if (error instanceof AggregateError && error.errors.length > 0) return explain(error.errors.at(-1));
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  const known = code === undefined ? undefined : reasons[code];
  return { code, reason: known ?? (error instanceof Error ? error.message : 'connection failed') };
}
