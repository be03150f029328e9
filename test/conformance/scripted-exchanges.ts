import type { Endpoint } from '@roundhouse/agent-sdk/internal';

import { errorTable, type ErrorCode, type ErrorRule } from '../../gateway/src/exchange/errors.ts';
import type {
  AnswerStep,
  AttemptFailure,
  AttemptStep,
  Exchange,
  ExchangeEnd,
  Exchanges,
  Step,
} from '../../gateway/src/exchange/seam.ts';
import type { FieldLines } from '../../gateway/src/http/field-lines.ts';
import { agreesToUpgrade, hasBody } from '../../gateway/src/http/connection.ts';
import { readHeaders } from '../../gateway/src/http/header-facts.ts';
import { expectationOf, passesInterim } from '../../gateway/src/http/interim.ts';
import type { RequestHead, ResponseHead } from '../../gateway/src/http/message.ts';
import type { AttemptTimeouts } from '../../gateway/src/routing/policy.ts';

/** What an exchange went through, for assertions. */
export interface ExchangeLog {
  readonly head: RequestHead;
  readonly failures: readonly AttemptFailure[];
  /** Final heads of instances, whether they were passed on or not. */
  readonly responses: readonly ResponseHead[];
  /** How each wait ended. */
  readonly waits: readonly ('ready' | 'timeout')[];
  /** Undefined as long as it runs. */
  readonly end: ExchangeEnd | undefined;
}

export interface ScriptedExchanges extends Exchanges {
  readonly log: readonly ExchangeLog[];
  /** Removes the exchanges that have ended from the log and returns them, for runs that are too long to keep all. */
  takeEnded(): readonly ExchangeLog[];
  readonly refusals: readonly ErrorCode[];
  /** What each refusal said beside its code. */
  readonly details: readonly (string | undefined)[];
}

/** The next attempt of an exchange, changed as a script wants it. */
export type NextAttempt = (changes?: Partial<AttemptStep>) => AttemptStep;

/** What a script may do differently; where it returns undefined, the exchange does what it always does. */
export interface ExchangeScript {
  /** Replaces the step with which an exchange begins. */
  readonly begin?: (head: RequestHead, attempt: NextAttempt) => Step | undefined;
  /** After a wait; an attempt by default. */
  readonly waited?: (how: 'ready' | 'timeout', attempt: NextAttempt) => Step | undefined;
  /** By default an attempt on the next endpoint, if there is one. */
  readonly hedge?: (attempt: NextAttempt) => AttemptStep | undefined;
  readonly leave?: (attempt: NextAttempt) => AttemptStep | undefined;
  readonly responded?: (
    head: ResponseHead,
    attempt: NextAttempt,
    sent: 'head' | 'body' | undefined,
  ) => Step | undefined;
  readonly failed?: (failure: AttemptFailure, attempt: NextAttempt) => Step | undefined;
}

export interface ScriptOptions {
  /** Tried in order, one after the other, from the start for each exchange. */
  readonly endpoints: readonly Endpoint[];
  readonly timeouts: AttemptTimeouts;
  /** What every attempt has. */
  readonly attempt?: Partial<AttemptStep>;
  readonly script?: ExchangeScript;
}

/** A log that is being written. */
interface OpenLog {
  readonly head: RequestHead;
  readonly failures: AttemptFailure[];
  readonly responses: ResponseHead[];
  readonly waits: ('ready' | 'timeout')[];
  end: ExchangeEnd | undefined;
}

const hopByHop = new Set([
  'connection',
  'content-length',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** The least that an exchange does, so that an engine can be judged by itself. */
export function createScriptedExchanges(options: ScriptOptions): ScriptedExchanges {
  const log: OpenLog[] = [];
  const refusals: ErrorCode[] = [];
  const details: (string | undefined)[] = [];
  return {
    log,
    refusals,
    details,
    takeEnded() {
      const ended = log.filter(({ end }) => end !== undefined);
      log.splice(0, log.length, ...log.filter(({ end }) => end === undefined));
      return ended;
    },
    open(head) {
      const entry: OpenLog = { head, failures: [], responses: [], waits: [], end: undefined };
      log.push(entry);
      return scriptedExchange(options, entry);
    },
    refuse(code, _client, detail) {
      refusals.push(code);
      details.push(detail);
      return { ...answer(code), connection: 'close' };
    },
  };
}

function scriptedExchange({ endpoints, timeouts, ...options }: ScriptOptions, entry: OpenLog): Exchange {
  const { head } = entry;
  const { script = {} } = options;
  /** Attempts under way. */
  const running = new Set<AttemptStep>();
  let next = 0;
  const attempt: NextAttempt = (changes) => {
    const endpoint = endpoints[Math.min(next, endpoints.length - 1)];
    if (endpoint === undefined) throw new Error('a script needs an endpoint');
    next += 1;
    const step: AttemptStep = {
      kind: 'attempt',
      endpoint,
      method: head.method,
      target: head.target,
      fields: withoutConnectionFields(head.fields, head.version === '1.0' ? ['expect'] : []),
      upgrade: head.upgrade === 'websocket' ? 'websocket' : undefined,
      timeouts,
      connection: 'any',
      identity: undefined,
      hedgeAfterMs: 0,
      ...options.attempt,
      ...changes,
    };
    running.add(step);
    return step;
  };
  const ended = (of: AttemptStep | undefined): void => {
    if (of !== undefined && !running.delete(of)) throw new Error('an attempt that is not under way');
  };
  const dropRunning = (): void => {
    for (const step of running) step.driver?.abandon();
    running.clear();
  };
  let awaitsContinue = expectationOf(readHeaders(head.fields), head.version) === 'continue';
  return {
    begin() {
      const scripted = script.begin?.(head, attempt);
      if (scripted !== undefined) return scripted;
      if (head.method === 'CONNECT') return answer('method_not_allowed');
      if (head.upgrade === 'websocket' && hasBody(head)) return answer('bad_request');
      return attempt();
    },
    waited(how) {
      entry.waits.push(how);
      return script.waited?.(how, attempt) ?? attempt();
    },
    hedge() {
      if (script.hedge !== undefined) return script.hedge(attempt);
      return next < endpoints.length ? attempt() : undefined;
    },
    leave: () => script.leave?.(attempt),
    interim(response) {
      if (!passesInterim(response, { version: head.version, awaitsContinue })) return undefined;
      if (response.status === 100) awaitsContinue = false;
      return withoutConnectionFields(response.fields);
    },
    responded(response, of, sent) {
      if (response.status === 101 && !agreesToUpgrade(readHeaders(response.fields), of.upgrade))
        return this.failed({ code: 'upgrade_failed', sent: 'head', connection: 'fresh' }, of);
      ended(of);
      entry.responses.push(response);
      const { status, reason, fields } = response;
      const step = script.responded?.(response, attempt, sent) ?? {
        kind: 'relay',
        status,
        reason,
        fields: withoutConnectionFields(fields),
        connection: 'keep',
      };
      if (step.kind === 'relay') dropRunning();
      return step;
    },
    failed(failure, of) {
      entry.failures.push(failure);
      if (failure.code === 'client_closed') return { kind: 'finish' };
      ended(of);
      const [other] = running;
      if (other !== undefined) return { kind: 'pending', of: other };
      const scripted = script.failed?.(failure, attempt);
      if (scripted !== undefined) return scripted;
      if (mayRetry(head.method, failure)) {
        if (failure.connection === 'reused') {
          next -= 1;
          return attempt({ connection: 'fresh' });
        }
        if (next < endpoints.length) return attempt();
      }
      return answer(failure.code);
    },
    ended(end) {
      if (entry.end !== undefined) throw new Error('an exchange ended twice');
      entry.end = end;
      dropRunning();
    },
  };
}

function mayRetry(method: string, failure: AttemptFailure): boolean {
  const rule: ErrorRule = errorTable[failure.code];
  if (rule.retry === 'never') return false;
  return (
    failure.sent === 'nothing' ||
    (failure.sent === 'head' && idempotent.has(method) && rule.retry === 'idempotent')
  );
}

function answer(code: ErrorCode): AnswerStep {
  const { status, blame }: ErrorRule = errorTable[code];
  return {
    kind: 'answer',
    status,
    fields: ['Content-Type', 'application/json'],
    body: JSON.stringify({ code }),
    connection: blame === 'client' && status !== 404 && status !== 405 ? 'close' : 'keep',
  };
}

/** RFC 9110 §7.6.1, both ways; and without `others` (lower case). */
function withoutConnectionFields(fields: FieldLines, others: readonly string[] = []): FieldLines {
  const nominated = new Set(others);
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const [name = '', value = ''] = fields.slice(i, i + 2);
    if (name.toLowerCase() === 'connection')
      for (const option of value.toLowerCase().split(',')) nominated.add(option.trim());
    pairs.push([name, value]);
  }
  return pairs
    .filter(([name]) => !hopByHop.has(name.toLowerCase()) && !nominated.has(name.toLowerCase()))
    .flat();
}
