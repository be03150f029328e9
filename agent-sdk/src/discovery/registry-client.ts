import type { ConnectionBudget } from './connection-budget.ts';
import type { ConsulAddress } from './consul-address.ts';
import type { KnownList } from './known-list.ts';
import type { Notices } from './notices.ts';
import type { LeftOut } from './oversize-filter.ts';
import type { ReadWait } from './read-wait.ts';

/** What a caller may say about one read. */
export interface ReadOptions {
  /** Ends the request at once; the promise rejects with the signal's reason. */
  readonly signal: AbortSignal;
  /** Consul's index to block on. Absent or `"0"`: answer at once. */
  readonly index?: string;
  /** How long the agent may hold a blocking read. The client's own deadline lies above it (wait × 17/16 + 5 s). */
  readonly waitMs?: number;
  /** Memory for a repeated question: unchanged records are returned as the same objects. The caller owns it. */
  readonly memory?: AnswerMemory;
}

/** The last list that was the answer to a question; written by the client. */
export interface AnswerMemory {
  list: KnownList | undefined;
}

/** A successful read: the parsed JSON and what Consul's headers said about it. */
export interface ReadAnswer {
  readonly body: unknown;
  /** `X-Consul-Index` exactly as it came; undefined when missing. */
  readonly index: string | undefined;
  readonly knownLeader: boolean | undefined;
  readonly lastContactMs: number | undefined;
  /** `X-Consul-Results-Filtered-By-ACLs: true`: rows may be missing. */
  readonly filteredByAcl: boolean;
  /** How large it was; absent: small. */
  readonly bytes?: number;
  /** What is not in the body because the answer was too large with it; absent: nothing. */
  readonly leftOut?: readonly LeftOut[];
}

/** A service registration in Consul's own terms (PUT /v1/agent/service/register). */
export interface ServiceDefinition {
  readonly ID: string;
  readonly Name: string;
  readonly Address: string;
  readonly Port: number;
  readonly TaggedAddresses?: Readonly<Record<string, { readonly Address: string; readonly Port: number }>>;
  readonly Tags: readonly string[];
  readonly Meta: Readonly<Record<string, string>>;
  readonly Weights: { readonly Passing: number; readonly Warning: number };
  readonly Checks: readonly CheckDefinition[];
}

/** One check of a registration; `CheckID` is explicit because generated ones depend on array positions. */
export interface CheckDefinition {
  readonly CheckID: string;
  readonly Name: string;
  readonly Status: 'passing' | 'critical';
  readonly DeregisterCriticalServiceAfter: string;
  readonly TTL?: string;
  readonly HTTP?: string;
  readonly Interval?: string;
  readonly Timeout?: string;
}

/**
 * Why a call to Consul failed. `unreachable`: no connection; `exhausted`: none because this process itself has run short; `timeout`: no complete answer in time; `forbidden`: 401 or 403;
 * `not_found`: 404, or Consul's 500 for an unknown check or service id; `rejected`: other 4xx; `unavailable`: 5xx;
 * `over_limit`: 429, or a connection that was closed as soon as it was made; `malformed`: the answer is not JSON, too large or of the wrong shape.
 */
export type RegistryFailure =
  | 'unreachable'
  | 'exhausted'
  | 'timeout'
  | 'forbidden'
  | 'not_found'
  | 'rejected'
  | 'unavailable'
  | 'over_limit'
  | 'malformed';

/** A call to Consul that failed. The message says what, where and from which setting, and never holds a token. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly failure: RegistryFailure;
  /** The HTTP status, where there was one. */
  readonly status: number | undefined;

  constructor(failure: RegistryFailure, message: string, options: { status?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.failure = failure;
    this.status = options.status;
  }
}

/** One Consul agent. Every call has a deadline; every failure but an abort is a {@link RegistryError}. */
export interface RegistryClient {
  /** The agent's address and the setting it came from, for messages: `http://127.0.0.1:8500 (default)`. */
  readonly description: string;
  /** Where the agent is. */
  readonly address: ConsulAddress;
  /** How many blocking reads may be open. */
  readonly budget: ConnectionBudget;
  /** How long blocking reads may wait. */
  readonly wait: ReadWait;
  /** What an operator should know about the way to the agent. */
  readonly notices: Notices;
  /** How often the token file has held another token than before. */
  readonly tokenChanges: number;
  /** `/v1/health/service/:name`, `stale`, without `passing`. */
  serviceHealth(service: string, options: ReadOptions): Promise<ReadAnswer>;
  /** `/v1/catalog/services`, `stale`. */
  catalogServices(options: ReadOptions): Promise<ReadAnswer>;
  /** `/v1/agent/services`: what this agent itself holds, id → record. */
  agentServices(options: ReadOptions): Promise<ReadAnswer>;
  /** `/v1/agent/service/:id`: one record that this agent holds. Rejects with `not_found` when it holds none. */
  agentService(id: string, options: ReadOptions): Promise<ReadAnswer>;
  registerService(definition: ServiceDefinition, signal: AbortSignal): Promise<void>;
  deregisterService(id: string, signal: AbortSignal): Promise<void>;
  setMaintenance(
    id: string,
    state: { readonly enable: boolean; readonly reason: string },
    signal: AbortSignal,
  ): Promise<void>;
  passCheck(checkId: string, note: string, signal: AbortSignal): Promise<void>;
  /** Closes idle connections. Calls in flight end by their own signal or deadline. */
  close(): void;
}
