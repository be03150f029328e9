import type { Endpoint } from '@roundhouse/agent-sdk/balancing';

import { errorTable, type ErrorCode, type ErrorRule } from '../../gateway/src/exchange/errors.ts';
import type {
  AnswerStep,
  AttemptFailure,
  AttemptTimeouts,
  Exchange,
  ExchangeEnd,
  Exchanges,
  FieldLines,
  RequestHead,
  Step,
} from '../../gateway/src/exchange/seam.ts';

/** What an exchange went through, for assertions. */
export interface ExchangeLog {
  readonly head: RequestHead;
  readonly failures: readonly AttemptFailure[];
  /** Undefined as long as it runs. */
  readonly end: ExchangeEnd | undefined;
}

export interface ScriptedExchanges extends Exchanges {
  readonly log: readonly ExchangeLog[];
  readonly refusals: readonly ErrorCode[];
}

export interface ScriptOptions {
  /** Tried in order, one after the other, from the start for each exchange. */
  readonly endpoints: readonly Endpoint[];
  readonly timeouts: AttemptTimeouts;
  /** Replaces the step with which an exchange begins. */
  readonly begin?: (head: RequestHead) => Step | undefined;
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
  const log: { head: RequestHead; failures: AttemptFailure[]; end: ExchangeEnd | undefined }[] = [];
  const refusals: ErrorCode[] = [];
  return {
    log,
    refusals,
    open(head) {
      const entry = { head, failures: [] as AttemptFailure[], end: undefined as ExchangeEnd | undefined };
      log.push(entry);
      return scriptedExchange(options, entry);
    },
    refuse(code) {
      refusals.push(code);
      return { ...answer(code), connection: 'close' };
    },
  };
}

function scriptedExchange(
  options: ScriptOptions,
  entry: { head: RequestHead; failures: AttemptFailure[]; end: ExchangeEnd | undefined },
): Exchange {
  const { head } = entry;
  let next = 0;
  const attempt = (connection: 'any' | 'fresh'): Step => {
    const endpoint = options.endpoints[Math.min(next, options.endpoints.length - 1)];
    next += 1;
    if (endpoint === undefined) return answer('no_endpoint');
    const upgrade = head.upgrade === 'websocket' ? 'websocket' : undefined;
    const fields = withoutConnectionFields(head.fields);
    const { method, target } = head;
    return {
      kind: 'attempt',
      endpoint,
      method,
      target,
      fields,
      upgrade,
      timeouts: options.timeouts,
      connection,
    };
  };
  return {
    begin() {
      const scripted = options.begin?.(head);
      if (scripted !== undefined) return scripted;
      if (head.method === 'CONNECT') return answer('method_not_allowed');
      if (head.upgrade === 'websocket' && head.body.kind !== 'none') return answer('bad_request');
      return attempt('any');
    },
    interim: ({ fields }) => withoutConnectionFields(fields),
    responded: ({ status, reason, fields }) => ({
      kind: 'relay',
      status,
      reason,
      fields: withoutConnectionFields(fields),
      connection: 'keep',
    }),
    failed(failure) {
      entry.failures.push(failure);
      if (failure.code === 'client_closed') return { kind: 'finish' };
      if (mayRetry(head.method, failure)) {
        if (failure.connection === 'reused') {
          next -= 1;
          return attempt('fresh');
        }
        if (next < options.endpoints.length) return attempt('any');
      }
      return answer(failure.code);
    },
    ended(end) {
      if (entry.end !== undefined) throw new Error('an exchange ended twice');
      entry.end = end;
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

/** RFC 9110 §7.6.1, both ways. */
function withoutConnectionFields(fields: FieldLines): FieldLines {
  const nominated = new Set<string>();
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const [name = '', value = ''] = fields.slice(i, i + 2);
    if (name.toLowerCase() === 'connection') {
      for (const option of value.toLowerCase().split(',')) nominated.add(option.trim());
    }
    pairs.push([name, value]);
  }
  return pairs
    .filter(([name]) => !hopByHop.has(name.toLowerCase()) && !nominated.has(name.toLowerCase()))
    .flat();
}
