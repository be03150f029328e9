import type { Agent as HttpAgent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

import Consul from 'consul';

import { type ConnectionBudget, createConnectionBudget, defaultMaxConnections } from './connection-budget.ts';
import { formatConsulAddress } from './consul-address.ts';
import { ConsulAgents } from './consul-agents.ts';
import { ConsulHttp2 } from './consul-http2.ts';
import { readTlsOptions } from './consul-tls.ts';
import {
  callConsul,
  type ConsulCall,
  type ConsulCallResult,
  isPapiClient,
  type PapiClient,
} from './consul-call.ts';
import {
  type CallFacts,
  checkSubject,
  connectionFailure,
  cutFailure,
  deadlineFailure,
  leftOutNotice,
  notConsulFailure,
  overLimitFailure,
  overLimitNotice,
  oversizeFailure,
  statusFailure,
} from './consul-failure.ts';
import type { ConsulSettings } from './environment.ts';
import type { LeftOut } from './oversize-filter.ts';
import { createNotices, type Notices } from './notices.ts';
import { contentTypeOf, readAnswer } from './read-answer.ts';
import { createReadWait, defaultWaitMs, type ReadWait } from './read-wait.ts';
import { type ReadAnswer, type ReadOptions, type RegistryClient, RegistryError } from './registry-client.ts';
import { createTokenSource } from './token-source.ts';

/** Limits of a client; the defaults are right outside tests. */
export interface ConsulClientOptions {
  /** Deadline of every call that does not block. Default 10 s. */
  readonly callTimeoutMs?: number;
  /** Added to wait × 17/16 for blocking reads: the agent itself adds up to a sixteenth. Default 5 s. */
  readonly blockingMarginMs?: number;
  /** Largest body taken whole, a quarter of it for the catalog; larger ones are read without their largest records. Default 32 MiB. */
  readonly maxBodyBytes?: number;
  /** Connections to the agent at most, blocking reads included. Default 100: half of what an agent allows one address. */
  readonly maxConnections?: number;
  /** How long the agent may hold a read. Default 60 s; Consul takes up to 600 s. */
  readonly waitMs?: number;
  /** Monotonic ms; decides when the token file is looked at again. Default `performance.now`. */
  readonly now?: () => number;
}

/** One call to the agent. */
interface Call {
  readonly facts: Pick<CallFacts, 'kind' | 'subject'>;
  readonly method: 'get' | 'put';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

/** How often a call is repeated that found no connection, and the pause before it, which grows. */
const maxRepeats = 4;
const repeatPauseMs = 100;

/** Consul's own maximum of `wait`. */
const maxWaitMs = 600_000;

/**
 * A client for one agent: the rim around the `consul` package, and the only file that imports it. Works on the package's
 * low-level calls, because its high-level ones drop `Weights`, know no namespace and can wait for ever. Keeps connections
 * alive, but does not keep the process running. Certificate files are read here, once. Throws `RegistryError('rejected')`
 * when one cannot be read. Ended by its owner with `close`.
 */
export function createConsulClient(
  settings: ConsulSettings,
  options: ConsulClientOptions = {},
): RegistryClient {
  const calls = new ConsulCalls(settings, options);
  const { url, origin } = calls.site;
  return {
    description: `${url} (${origin === 'default' ? 'default' : `from ${origin}`})`,
    address: settings.address.value,
    budget: calls.budget,
    wait: calls.wait,
    notices: calls.notices,
    get tokenChanges() {
      return calls.tokenChanges;
    },
    serviceHealth: (service, options) =>
      calls.read({ kind: 'serviceHealth', subject: service }, '/health/service/{subject}', options, {
        stale: '1',
      }),
    catalogServices: (options) =>
      calls.read({ kind: 'catalogServices', subject: '' }, '/catalog/services', options, { stale: '1' }),
    agentServices: (options) =>
      calls.read({ kind: 'agentServices', subject: '' }, '/agent/services', options, {}),
    agentService: (id, options) =>
      calls.read({ kind: 'agentService', subject: id }, '/agent/service/{subject}', options, {}),
    registerService: (definition, signal) =>
      calls.write({
        facts: { kind: 'register', subject: definition.Name },
        path: '/agent/service/register',
        body: definition,
        signal,
      }),
    deregisterService: (id, signal) =>
      calls.write({
        facts: { kind: 'deregister', subject: id },
        path: '/agent/service/deregister/{subject}',
        signal,
      }),
    setMaintenance: (id, state, signal) =>
      calls.write({
        facts: { kind: 'maintenance', subject: id },
        path: '/agent/service/maintenance/{subject}',
        query: { enable: String(state.enable), reason: state.reason },
        signal,
      }),
    passCheck: (checkId, note, signal) =>
      calls.write({
        facts: { kind: 'passCheck', subject: checkId },
        path: '/agent/check/pass/{subject}',
        query: { note },
        signal,
      }),
    close: () => {
      calls.close();
    },
  };
}

/** Sends calls to one agent; turns their results into answers, or into `RegistryError`s. */
class ConsulCalls {
  /** The agent's address and the setting that names it. */
  readonly site: Pick<CallFacts, 'url' | 'origin'>;
  readonly #callTimeoutMs: number;
  readonly #blockingMarginMs: number;
  readonly #maxBodyBytes: number;
  readonly #tokens: ReturnType<typeof createTokenSource>;
  readonly #agents: ConsulAgents;
  /** Over TLS only. */
  readonly #http2: ConsulHttp2 | undefined;
  /** Header fields of every call. */
  readonly #fields: Readonly<Record<string, string>>;
  readonly #clients: Readonly<Record<'blocking' | 'calls', PapiClient>>;
  readonly budget: ConnectionBudget;
  readonly wait: ReadWait;
  readonly notices: Notices = createNotices();
  /** Like the token, never shown in failures. */
  readonly #password: string;
  readonly #scope: Readonly<Record<string, string>>;
  /** Whose last answer was too large. */
  readonly #oversize = new Set<string>();

  constructor(settings: ConsulSettings, options: ConsulClientOptions) {
    this.#callTimeoutMs = options.callTimeoutMs ?? 10_000;
    this.#blockingMarginMs = options.blockingMarginMs ?? 5_000;
    this.#maxBodyBytes = options.maxBodyBytes ?? 32 * 1024 * 1024;
    const { now = () => performance.now(), maxConnections = defaultMaxConnections } = options;
    this.budget = createConnectionBudget({ maxConnections, now });
    this.wait = createReadWait({ waitMs: options.waitMs ?? defaultWaitMs, now, notices: this.notices });
    this.#tokens = createTokenSource(settings, now);
    const address = settings.address.value;
    const tls =
      address.kind === 'tcp' && address.scheme === 'https' ? readTlsOptions(settings.tls) : undefined;
    if (address.kind === 'tcp' && tls !== undefined)
      this.#http2 = new ConsulHttp2(address, tls, this.budget.lift);
    this.#fields = fieldsOf(settings);
    this.#agents = new ConsulAgents(settings, tls, now);
    this.#clients = {
      blocking: createPapiClient(settings, this.#agents.blocking, this.#fields),
      calls: createPapiClient(settings, this.#agents.calls, this.#fields),
    };
    this.#password = settings.basicAuth?.value.password ?? '';
    this.site = { url: formatConsulAddress(settings.address.value), origin: settings.address.origin };
    this.#scope = {
      ...(settings.namespace === undefined ? {} : { ns: settings.namespace.value }),
      ...(settings.partition === undefined ? {} : { partition: settings.partition.value }),
    };
  }

  get tokenChanges(): number {
    return this.#tokens.changes;
  }

  async #send(call: Call): Promise<Extract<ConsulCallResult, { kind: 'answer' }>> {
    call.signal.throwIfAborted();
    const facts: CallFacts = { ...this.site, ...call.facts };
    checkSubject(facts);
    const reading = await this.#tokens.current();
    if (reading.kind === 'unreadable') throw new RegistryError('forbidden', reading.reason);
    const isBlocking = call.query?.['index'] !== undefined;
    const attempt = (): Promise<ConsulCallResult> =>
      this.#attempt(isBlocking, {
        method: call.method,
        path: call.path,
        params: { subject: call.facts.subject },
        query: { ...call.query, ...this.#scope },
        headers: reading.token === undefined ? {} : { 'x-consul-token': reading.token },
        body: call.body,
        deadlineMs: call.deadlineMs,
        maxBodyBytes: this.#maxBodyBytesOf(call.facts.kind),
        signal: call.signal,
      });
    let result = await attempt();
    // The agent may have closed a kept connection in the same moment, or takes no more connections until one of ours is free. Every
    // call here is idempotent. A blocking read is not repeated here: its watch goes on with a read that does not block.
    for (let tries = 1; tries <= maxRepeats && !isBlocking && isReset(result); tries += 1) {
      if (this.#agents.hasJustRefused)
        await delay(repeatPauseMs * tries, undefined, { signal: call.signal }).catch(() => undefined);
      else if (tries > 1) break;
      result = await attempt();
    }
    return this.#answerOf(result, facts, call, [reading.token ?? '', this.#password]);
  }

  async #attempt(isBlocking: boolean, call: ConsulCall): Promise<ConsulCallResult> {
    const result = await this.#http2?.call(call, this.#fields);
    if (result !== undefined) return result;
    // Connections over the budget close when they become free.
    if (isBlocking) this.#agents.blocking.maxSockets = this.budget.seats + 1;
    return callConsul(isBlocking ? this.#clients.blocking : this.#clients.calls, call);
  }

  #answerOf(
    result: ConsulCallResult,
    facts: CallFacts,
    call: Call,
    secrets: readonly string[],
  ): Extract<ConsulCallResult, { kind: 'answer' }> {
    switch (result.kind) {
      case 'aborted':
        throw call.signal.reason;
      case 'deadline':
        throw deadlineFailure(facts, call.deadlineMs);
      case 'cut':
        throw cutFailure(facts);
      case 'oversize':
        throw oversizeFailure(facts, this.#maxBodyBytesOf(facts.kind));
      case 'broken':
        if (!isReset(result) || !this.#agents.hasJustRefused)
          throw connectionFailure(facts, result.code, result.error);
        if (!this.#agents.isAnswering) throw connectionFailure(facts, result.code, result.error, 'refused');
        throw this.#overLimit(facts, { cause: result.error });
      case 'answer':
        if (result.status >= 200 && result.status < 300) return result;
        if (result.status === 429) throw this.#overLimit(facts, { status: 429 });
        throw statusFailure(facts, result.status, result.body.toString('utf8', 0, 4000), secrets);
    }
  }

  /** An agent that closes a new connection without a word, while it answers on others, is over its limit; so is one that answers 429. */
  #overLimit(facts: CallFacts, how: { status?: number; cause?: unknown }): RegistryError {
    this.budget.refused();
    if (this.budget.isReduced)
      this.notices.raise({ kind: 'over_limit', message: overLimitNotice(facts, this.budget.seats) });
    return overLimitFailure(facts, how);
  }

  /** Anybody who may register can make the catalog large, and it is read as a whole whenever it changes. */
  #maxBodyBytesOf(kind: CallFacts['kind']): number {
    return kind === 'catalogServices' ? this.#maxBodyBytes / 4 : this.#maxBodyBytes;
  }

  #updateNotices(facts: CallFacts, leftOut: readonly LeftOut[]): void {
    if (!this.budget.isReduced) this.notices.clear('over_limit');
    if (leftOut.length > 0) {
      this.#oversize.add(facts.subject);
      this.notices.raise({ kind: 'oversize', message: leftOutNotice(facts, leftOut) });
    } else if (this.#oversize.delete(facts.subject) && this.#oversize.size === 0) {
      this.notices.clear('oversize');
    }
  }

  async read(
    facts: Pick<CallFacts, 'kind' | 'subject'>,
    path: string,
    read: ReadOptions,
    mode: Readonly<Record<string, string>>,
  ): Promise<ReadAnswer> {
    const blocking = read.index !== undefined && read.index !== '0';
    const waitMs = Math.min(maxWaitMs, Math.max(1, Math.round(read.waitMs ?? 60_000)));
    const answer = await this.#send({
      facts,
      method: 'get',
      path,
      query: { ...mode, ...(blocking ? { index: read.index, wait: `${waitMs}ms` } : {}) },
      deadlineMs: blocking ? (waitMs * 17) / 16 + this.#blockingMarginMs : this.#callTimeoutMs,
      signal: read.signal,
    });
    this.#updateNotices({ ...this.site, ...facts }, answer.leftOut);
    return readAnswer(answer, { ...this.site, ...facts }, read.memory);
  }

  async write(call: Omit<Call, 'method' | 'deadlineMs'>): Promise<void> {
    const answer = await this.#send({ ...call, method: 'put', deadlineMs: this.#callTimeoutMs });
    const contentType = contentTypeOf(answer);
    // A login page answers 200 to everything. Consul answers writes with an empty body or JSON.
    if (/html/iu.test(contentType))
      throw notConsulFailure({ ...this.site, ...call.facts }, answer.status, contentType);
  }

  close(): void {
    this.#agents.close();
    this.#http2?.close();
  }
}

/** Credentials of a proxy go into a header, never into the URL. */
function fieldsOf({ basicAuth }: ConsulSettings): Readonly<Record<string, string>> {
  const { username, password } = basicAuth?.value ?? { username: '', password: '' };
  const credentials = Buffer.from(`${username}:${password}`).toString('base64');
  return {
    'user-agent': 'roundhouse-agent-sdk',
    ...(basicAuth === undefined ? {} : { authorization: `Basic ${credentials}` }),
  };
}

/** The package's client on our own agent. */
function createPapiClient(
  settings: ConsulSettings,
  agent: HttpAgent,
  fields: Readonly<Record<string, string>>,
): PapiClient {
  const address = settings.address.value;
  const base = address.kind === 'unix' ? 'http://localhost' : formatConsulAddress(address);
  const consulOptions = {
    baseUrl: `${base}/v1`,
    agent,
    headers: { ...fields },
    ...(address.kind === 'unix' ? { socketPath: address.path } : {}),
  };
  const client = new Consul(consulOptions);
  if (!isPapiClient(client))
    throw new TypeError('This version of the consul package has no low-level calls.');
  return client;
}

function isReset(result: ConsulCallResult): boolean {
  return result.kind === 'broken' && (result.code === 'ECONNRESET' || result.code === 'EPIPE');
}
