import type { Agent as HttpAgent } from 'node:http';
import { stringify } from 'node:querystring';
import { setTimeout as delay } from 'node:timers/promises';

import Consul from 'consul';

import { ConnectionBudget, defaultMaxConnections } from './connection-budget.ts';
import { type ConsulAddress, formatConsulAddress } from './consul-address.ts';
import { ConsulAgents } from './consul-agents.ts';
import { ConsulHttp2 } from './consul-http2.ts';
import { readTlsOptions } from './consul-tls.ts';
import {
  callConsul,
  type ConsulCall,
  type ConsulCallResult,
  type ConsulResponse,
  isPapiClient,
  type PapiClient,
} from './consul-call.ts';
import {
  type CallFacts,
  checkSubject,
  connectionFailure,
  leftOutNotice,
  notConsulFailure,
  overLimitFailure,
  overLimitNotice,
  statusFailure,
  unfinishedFailure,
} from './consul-failure.ts';
import type { ConsulSettings } from './environment.ts';
import type { LeftOut } from './oversize-filter.ts';
import { Notices } from './notices.ts';
import { contentTypeOf, readAnswer } from './read-answer.ts';
import { defaultWaitMs, ReadWait } from './read-wait.ts';
import {
  type ReadAnswer,
  type ReadOptions,
  type RegistryClient,
  type RegistryError,
  type ServiceDefinition,
} from './registry-client.ts';
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

const defaultLimits = { callTimeoutMs: 10_000, blockingMarginMs: 5_000, maxBodyBytes: 32 * 1024 * 1024 };

/** One call to the agent. */
interface Call {
  readonly facts: CallFacts;
  readonly method: 'get' | 'put';
  /** `{}` stands for the subject. */
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
  return new ConsulClient(settings, options);
}

/** Sends calls to one agent; turns their results into answers, or into `RegistryError`s. */
class ConsulClient implements RegistryClient {
  readonly description: string;
  readonly address: ConsulAddress;
  readonly budget: ConnectionBudget;
  readonly wait: ReadWait;
  readonly notices = new Notices();
  /** The agent's address and the setting that names it. */
  readonly #site: Pick<CallFacts, 'url' | 'origin'>;
  readonly #limits: typeof defaultLimits;
  readonly #tokens: ReturnType<typeof createTokenSource>;
  readonly #agents: ConsulAgents;
  /** Over TLS only. */
  readonly #http2: ConsulHttp2 | undefined;
  /** Header fields of every call. */
  readonly #fields: Readonly<Record<string, string>>;
  readonly #clients: Readonly<Record<'blocking' | 'calls', PapiClient>>;
  /** Like the token, never shown in failures. */
  readonly #password: string;
  readonly #scope: Readonly<Record<string, string>>;
  /** Whose last answer was too large. */
  readonly #oversize = new Set<string>();

  constructor(settings: ConsulSettings, options: ConsulClientOptions) {
    this.#limits = { ...defaultLimits, ...options };
    const { now = () => performance.now(), maxConnections = defaultMaxConnections } = options;
    this.budget = new ConnectionBudget(maxConnections, now);
    this.wait = new ReadWait(options.waitMs ?? defaultWaitMs, now, this.notices);
    this.#tokens = createTokenSource(settings, now);
    const { value: address, origin } = settings.address;
    this.address = address;
    this.#site = { url: formatConsulAddress(address), origin };
    this.description = `${this.#site.url} (${origin === 'default' ? 'default' : `from ${origin}`})`;
    const tls =
      address.kind === 'tcp' && address.scheme === 'https' ? readTlsOptions(settings.tls) : undefined;
    if (address.kind === 'tcp' && tls !== undefined)
      this.#http2 = new ConsulHttp2(address, tls, this.budget.lift);
    this.#fields = fieldsOf(settings);
    this.#agents = new ConsulAgents(settings, tls, now);
    this.#clients = {
      blocking: createPapiClient(address, this.#agents.blocking),
      calls: createPapiClient(address, this.#agents.calls),
    };
    this.#password = settings.basicAuth?.value.password ?? '';
    this.#scope = {
      ...(settings.namespace === undefined ? {} : { ns: settings.namespace.value }),
      ...(settings.partition === undefined ? {} : { partition: settings.partition.value }),
    };
  }

  get tokenChanges(): number {
    return this.#tokens.changes;
  }

  serviceHealth(service: string, options: ReadOptions): Promise<ReadAnswer> {
    return this.#read('serviceHealth', service, '/health/service/{}', options, { stale: '1' });
  }

  catalogServices(options: ReadOptions): Promise<ReadAnswer> {
    return this.#read('catalogServices', '', '/catalog/services', options, { stale: '1' });
  }

  agentServices(options: ReadOptions): Promise<ReadAnswer> {
    return this.#read('agentServices', '', '/agent/services', options, {});
  }

  agentService(id: string, options: ReadOptions): Promise<ReadAnswer> {
    return this.#read('agentService', id, '/agent/service/{}', options, {});
  }

  registerService(body: ServiceDefinition, signal: AbortSignal): Promise<void> {
    return this.#write('register', body.Name, { path: '/agent/service/register', body, signal });
  }

  deregisterService(id: string, signal: AbortSignal): Promise<void> {
    return this.#write('deregister', id, { path: '/agent/service/deregister/{}', signal });
  }

  setMaintenance(
    id: string,
    { enable, reason }: { readonly enable: boolean; readonly reason: string },
    signal: AbortSignal,
  ): Promise<void> {
    const query = { enable: String(enable), reason };
    return this.#write('maintenance', id, { path: '/agent/service/maintenance/{}', query, signal });
  }

  passCheck(checkId: string, note: string, signal: AbortSignal): Promise<void> {
    return this.#write('passCheck', checkId, { path: '/agent/check/pass/{}', query: { note }, signal });
  }

  close(): void {
    this.#agents.close();
    this.#http2?.close();
  }

  async #send({ facts, ...call }: Call): Promise<ConsulResponse> {
    call.signal.throwIfAborted();
    checkSubject(facts);
    const token = await this.#tokens.current();
    const query = stringify({ ...call.query, ...this.#scope });
    const sent: ConsulCall = {
      method: call.method,
      target: `${call.path.replace('{}', encodeURIComponent(facts.subject))}${query === '' ? '' : `?${query}`}`,
      headers: { ...this.#fields, ...(token === undefined ? {} : { 'x-consul-token': token }) },
      body: call.body,
      deadlineMs: call.deadlineMs,
      // Every client that may register can make the catalog large, and the catalog is read as a whole whenever it changes.
      maxBodyBytes:
        facts.kind === 'catalogServices' ? this.#limits.maxBodyBytes / 4 : this.#limits.maxBodyBytes,
      signal: call.signal,
    };
    const isBlocking = call.query?.['index'] !== undefined;
    let result = await this.#attempt(isBlocking, sent);
    // The agent may have closed a kept connection in the same moment, or takes no more connections until one of ours is free. Every
    // call here is idempotent. A blocking read is not repeated here: its watch goes on with a read that does not block.
    for (let tries = 1; tries <= maxRepeats && !isBlocking && isReset(result); tries += 1) {
      if (this.#agents.hasJustRefused)
        await delay(repeatPauseMs * tries, undefined, { signal: call.signal }).catch(() => undefined);
      else if (tries > 1) break;
      result = await this.#attempt(isBlocking, sent);
    }
    if (result.kind === 'answer' && result.status >= 200 && result.status < 300) return result;
    throw this.#failureOf(result, facts, sent, [token ?? '', this.#password]);
  }

  async #attempt(isBlocking: boolean, call: ConsulCall): Promise<ConsulCallResult> {
    const result = await this.#http2?.call(call);
    if (result !== undefined) return result;
    // Connections over the budget close when they become free.
    if (isBlocking) this.#agents.blocking.maxSockets = this.budget.seats + 1;
    return callConsul(isBlocking ? this.#clients.blocking : this.#clients.calls, call);
  }

  #failureOf(
    result: ConsulCallResult,
    facts: CallFacts,
    call: ConsulCall,
    secrets: readonly string[],
  ): unknown {
    switch (result.kind) {
      case 'aborted':
        return call.signal.reason;
      case 'broken':
        if (!isReset(result) || !this.#agents.hasJustRefused)
          return connectionFailure(facts, result.code, result.error);
        if (!this.#agents.isAnswering) return connectionFailure(facts, result.code, result.error, 'refused');
        return this.#overLimit(facts, { cause: result.error });
      case 'answer':
        if (result.status === 429) return this.#overLimit(facts, { status: 429 });
        return statusFailure(facts, result.status, result.body.toString('utf8', 0, 4000), secrets);
      default:
        return unfinishedFailure(facts, result.kind, call);
    }
  }

  /** An agent that closes a new connection without a word, while it answers on others, is over its limit; so is one that answers 429. */
  #overLimit(facts: CallFacts, how: { status?: number; cause?: unknown }): RegistryError {
    this.budget.refused();
    if (this.budget.isReduced)
      this.notices.raise({ kind: 'over_limit', message: overLimitNotice(facts, this.budget.seats) });
    return overLimitFailure(facts, how);
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

  async #read(
    kind: CallFacts['kind'],
    subject: string,
    path: string,
    read: ReadOptions,
    mode: Readonly<Record<string, string>>,
  ): Promise<ReadAnswer> {
    const facts = { ...this.#site, kind, subject };
    const { index = '0', signal, memory } = read;
    const isBlocking = index !== '0';
    const waitMs = Math.min(maxWaitMs, Math.max(1, Math.round(read.waitMs ?? 60_000)));
    const answer = await this.#send({
      facts,
      method: 'get',
      path,
      query: { ...mode, ...(isBlocking ? { index, wait: `${waitMs}ms` } : {}) },
      deadlineMs: isBlocking
        ? (waitMs * 17) / 16 + this.#limits.blockingMarginMs
        : this.#limits.callTimeoutMs,
      signal,
    });
    this.#updateNotices(facts, answer.leftOut);
    return readAnswer(answer, facts, memory);
  }

  async #write(
    kind: CallFacts['kind'],
    subject: string,
    call: Pick<Call, 'path' | 'query' | 'body' | 'signal'>,
  ): Promise<void> {
    const facts = { ...this.#site, kind, subject };
    const answer = await this.#send({
      ...call,
      facts,
      method: 'put',
      deadlineMs: this.#limits.callTimeoutMs,
    });
    const contentType = contentTypeOf(answer);
    // A login page answers 200 to everything. Consul answers writes with an empty body or JSON.
    if (/html/iu.test(contentType)) throw notConsulFailure(facts, answer.status, contentType);
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
function createPapiClient(address: ConsulAddress, agent: HttpAgent): PapiClient {
  const base = address.kind === 'unix' ? 'http://localhost' : formatConsulAddress(address);
  const socket = address.kind === 'unix' ? { socketPath: address.path } : {};
  const options = { baseUrl: `${base}/v1`, agent, ...socket };
  const client = new Consul(options);
  if (!isPapiClient(client))
    throw new TypeError('This version of the consul package has no low-level calls.');
  return client;
}

function isReset(result: ConsulCallResult): boolean {
  return result.kind === 'broken' && (result.code === 'ECONNRESET' || result.code === 'EPIPE');
}
