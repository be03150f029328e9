import { endpointAt } from '../../../../test/kit/builders.ts';
import { errorTable, type ErrorCode } from '../../exchange/errors.ts';
import type {
  AnswerStep,
  AttemptFailure,
  Exchange,
  ExchangeEnd,
  Exchanges,
  RequestHead,
  ResponseHead,
  Step,
} from '../../exchange/seam.ts';
import type { AttemptTimeouts } from '../../routing/policy.ts';
import { agreesToUpgrade } from '../../http/connection.ts';
import { readHeaders } from '../../http/header-facts.ts';
import { passesInterim } from '../../http/interim.ts';

/** What the engine has said to one exchange. */
export interface ExchangeJournal {
  readonly head: RequestHead;
  readonly failures: AttemptFailure[];
  readonly responses: ResponseHead[];
  ends: ExchangeEnd[];
}

export interface ScriptedOptions {
  /** Where attempts go, in turn. */
  readonly ports: readonly number[];
  readonly timeouts?: Partial<AttemptTimeouts>;
  /** Attempts per exchange; retried whenever nothing or only the head was sent. */
  readonly attempts?: number;
  /** Answers instead of attempting, when it returns a step. */
  readonly answer?: (head: RequestHead) => AnswerStep | undefined;
}

export interface ScriptedExchanges extends Exchanges {
  readonly journal: ExchangeJournal[];
  readonly refused: readonly ErrorCode[];
}

const connectionFields = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Exchanges that pass everything but connection fields, keep a journal, and answer errors with their code as the body. */
export function createScriptedExchanges(options: ScriptedOptions): ScriptedExchanges {
  const endpoints = options.ports.map(endpointAt);
  const journal: ExchangeJournal[] = [];
  const refused: ErrorCode[] = [];
  const timeouts: AttemptTimeouts = {
    connectMs: 1000,
    responseHeadMs: 5000,
    idleMs: 5000,
    tryMs: 0,
    totalMs: 0,
    ...options.timeouts,
  };
  let turn = 0;

  const answer = (code: ErrorCode): AnswerStep => ({
    kind: 'answer',
    status: errorTable[code].status,
    fields: ['X-Error', code],
    body: code,
    connection: errorTable[code].status < 500 ? 'close' : 'keep',
  });

  function attempt(head: RequestHead, connection: 'any' | 'fresh'): Step {
    const endpoint = endpoints[turn % endpoints.length];
    turn += 1;
    if (endpoint === undefined) return answer('no_endpoint');
    const { method, target, upgrade } = head;
    const fields = head.fields.filter(
      (_, i) => !connectionFields.has((head.fields[i - (i % 2)] ?? '').toLowerCase()),
    );
    const wanted = upgrade === 'websocket' ? upgrade : undefined;
    return {
      kind: 'attempt',
      endpoint,
      method,
      target,
      fields,
      upgrade: wanted,
      timeouts,
      connection,
      identity: undefined,
      hedgeAfterMs: 0,
    };
  }

  function open(head: RequestHead): Exchange {
    const entry: ExchangeJournal = { head, failures: [], responses: [], ends: [] };
    journal.push(entry);
    return {
      begin: () => options.answer?.(head) ?? attempt(head, 'any'),
      waited: () => attempt(head, 'any'),
      hedge: () => undefined,
      interim: (interim) =>
        passesInterim(interim, { version: head.version, awaitsContinue: true }) ? interim.fields : undefined,
      responded(response, of) {
        if (response.status === 101 && !agreesToUpgrade(readHeaders(response.fields), of.upgrade))
          return this.failed({ code: 'upgrade_failed', sent: 'head', connection: 'fresh' }, of);
        entry.responses.push(response);
        const { status, reason } = response;
        const fields = response.fields.filter(
          (_, i) => !connectionFields.has((response.fields[i - (i % 2)] ?? '').toLowerCase()),
        );
        return { kind: 'relay', status, reason, fields, connection: 'keep' };
      },
      failed(failure) {
        entry.failures.push(failure);
        if (failure.code === 'client_closed') return { kind: 'finish' };
        const again = failure.sent !== 'body' && entry.failures.length < (options.attempts ?? 1);
        return again
          ? attempt(head, failure.connection === 'reused' ? 'fresh' : 'any')
          : answer(failure.code);
      },
      ended: (end) => {
        entry.ends.push(end);
      },
    };
  }

  return {
    journal,
    refused,
    open,
    refuse: (code) => {
      refused.push(code);
      return { ...answer(code), connection: 'close' };
    },
  };
}
