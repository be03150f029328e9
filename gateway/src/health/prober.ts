import { connect, type LookupFunction } from 'node:net';

import {
  expectedIdentity,
  identityQuestion,
  type Instance,
  ownShortage,
  readIdentityAnswer,
} from '@roundhouse/agent-sdk/internal';

import { readCheckAnswer } from './check-answer.ts';
import type { EventLoopWatch } from './event-loop-watch.ts';
import type { Probe, ProbeResult } from './probe.ts';

/** What a prober needs from outside. */
export interface ProberOptions {
  /** `verify`: an instance that supports it has to prove its identity before anything else counts. */
  readonly identity: () => 'verify' | 'off';
  /** Resolves host names and refuses addresses that must not be reached; the same as the engines'. */
  readonly lookup: LookupFunction;
  readonly loop: Pick<EventLoopWatch, 'lostMs'>;
}

const cancelled: ProbeResult = { kind: 'inconclusive', reason: 'cancelled' };

const dead = (reason: string): ProbeResult => ({ kind: 'dead', reason });

/** What a probe waits for, and what it means when the connection ends or the time is over meanwhile. */
const stages = {
  connecting: { onClose: 'the connection was closed', onTimeout: 'no connection' },
  identifying: {
    onClose: 'wrong instance: the connection was closed where its id was expected',
    onTimeout: 'no word on who answers',
  },
  requesting: { onClose: 'the connection was closed without an answer', onTimeout: 'no answer' },
} as const;

/** Probes over fresh connections, one each, closed when the result is known. */
export function createProber({ identity, lookup, loop }: ProberOptions): Probe {
  return (instance, { kind, path, timeoutMs }, signal) => {
    if (signal.aborted) return Promise.resolve(cancelled);
    const { address: host, port } = instance;
    const expected = identity() === 'verify' ? expectedIdentity(instance) : undefined;
    const lostBeforeMs = loop.lostMs();
    const socket = connect({ host, port, lookup, noDelay: true });
    let stage: keyof typeof stages | 'settled' = 'connecting';
    /** Received in this stage. */
    let text = '';
    return new Promise((resolve) => {
      const settle = (result: ProbeResult): void => {
        if (stage === 'settled') return;
        stage = 'settled';
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        const finish = (): void => {
          resolve(result);
        };
        socket.destroy();
        if (socket.closed) finish();
        else socket.once('close', finish);
      };
      const onAbort = (): void => {
        settle(cancelled);
      };
      const onTimeout = (): void => {
        if (stage === 'settled') return;
        const lostMs = loop.lostMs() - lostBeforeMs;
        if (lostMs > timeoutMs / 2)
          settle({ kind: 'inconclusive', reason: `the gateway stalled for ${Math.round(lostMs)} ms` });
        else settle(dead(`${stages[stage].onTimeout} within ${timeoutMs} ms`));
      };
      const onClose = (): void => {
        if (stage === 'requesting' && kind === 'life') settle({ kind: 'alive' });
        else if (stage !== 'settled') settle(dead(stages[stage].onClose));
      };
      /** The right instance is connected. */
      const onIdentified = (): void => {
        if (kind === 'tcp' || (kind === 'life' && expected !== undefined)) {
          settle({ kind: 'alive' });
          return;
        }
        stage = 'requesting';
        text = '';
        socket.write(requestText(path, instance), 'latin1');
      };
      // Timers come first in a turn of the event loop: read what has arrived before the time is called over.
      const timer = setTimeout(() => setImmediate(onTimeout), timeoutMs);
      signal.addEventListener('abort', onAbort);
      socket.on('connect', () => {
        if (stage !== 'connecting') return;
        if (expected === undefined) {
          onIdentified();
          return;
        }
        stage = 'identifying';
        socket.write(identityQuestion(instance), 'latin1');
      });
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        if (stage === 'identifying') {
          const answer = readIdentityAnswer(text, expected ?? '');
          if (answer === 'match') onIdentified();
          else if (answer === 'mismatch')
            settle(dead('wrong instance: another process answers at its address'));
        } else if (stage === 'requesting') {
          if (kind === 'life') settle({ kind: 'alive' });
          const result = resultOf(text);
          if (result !== undefined) settle(result);
        }
      });
      socket.on('error', (error) => {
        const { code = '', reason } = explain(error);
        const shortage = ownShortage(code);
        if (shortage !== undefined) settle({ kind: 'inconclusive', reason: shortage });
        else settle(dead(stage === 'identifying' ? `wrong instance: ${reason}` : reason));
      });
      socket.on('end', onClose);
      socket.on('close', onClose);
    });
  };
}

/** The result of an HTTP check; undefined while the answer is incomplete. */
function resultOf(text: string): ProbeResult | undefined {
  const status = readCheckAnswer(text);
  if (status === 'incomplete') return undefined;
  if (status === 'garbage') return dead('answered with something that is not HTTP');
  return status >= 200 && status < 400 ? { kind: 'alive' } : dead(`answered ${status}`);
}

function requestText(path: string, { address, port }: Instance): string {
  const host = address.includes(':') ? `[${address}]` : address;
  const head = [
    `${path === '*' ? 'OPTIONS' : 'GET'} ${path} HTTP/1.1`,
    `Host: ${host}:${port}`,
    'User-Agent: roundhouse-check',
    'Accept: */*',
    'Connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n`;
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
};

/** A system error for a person; several tries (a name with several addresses) are told by the last one. */
function explain(error: unknown): { readonly code: string | undefined; readonly reason: string } {
  if (error instanceof AggregateError && error.errors.length > 0) return explain(error.errors.at(-1));
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  const known = code === undefined ? undefined : reasons[code];
  return { code, reason: known ?? (error instanceof Error ? error.message : 'connection failed') };
}
