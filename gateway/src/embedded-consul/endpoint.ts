import type { CatalogState } from './catalog-state.ts';
import type { KvState } from './kv-state.ts';
import type { NodeFacts } from './records.ts';
import type { IndexBook } from './table-index.ts';
import type { Interest } from './waiters.ts';

/** All that an agent knows. */
export interface AgentState {
  readonly node: NodeFacts;
  readonly indexes: IndexBook;
  readonly catalog: CatalogState;
  readonly kv: KvState;
}

/** One request, as far as an endpoint is concerned. */
export interface Call {
  /** What follows the endpoint's path, percent-decoded. */
  readonly argument: string;
  readonly query: URLSearchParams;
  readonly body: Buffer;
  readonly state: AgentState;
  /** Monotonic. */
  readonly nowMs: number;
}

/** A finished answer. */
export type Reply =
  | { readonly kind: 'json'; readonly status: number; readonly value: unknown }
  | { readonly kind: 'text'; readonly status: number; readonly text: string }
  | { readonly kind: 'raw'; readonly status: number; readonly bytes: Buffer };

/** A read that can block: it is answered from the state at the moment when its index has grown, or when its time is up. */
export interface ReadPlan {
  readonly kind: 'read';
  readonly interest: Interest;
  readonly index: () => number;
  readonly reply: () => Reply;
  /** Whether the answer names its consistency, as those of catalog and health do. */
  readonly consistency: 'named' | 'unnamed';
}

/** Decides; throws a `Refusal` for what it turns down. */
export type Handler = (call: Call) => Reply | ReadPlan;

/** A path (a trailing `/` means that an argument follows) and what it does for each method. */
export interface Endpoint {
  readonly path: string;
  readonly methods: Readonly<Partial<Record<'GET' | 'PUT' | 'DELETE', Handler>>>;
}

/** 200 with a JSON body. */
export const json = (value: unknown): Reply => ({ kind: 'json', status: 200, value });

/** 200 with nothing in it, Consul's answer to a successful write of the agent. */
export const done: Reply = { kind: 'text', status: 200, text: '' };
