import type { AgentCatalog } from './agent-catalog.ts';
import type { Topic } from './blocked-queries.ts';
import type { KeyValueStore } from './key-values.ts';
import type { NodeFacts } from './records.ts';

/** All that an agent knows. */
export interface AgentState {
  readonly node: NodeFacts;
  readonly catalog: AgentCatalog;
  readonly keyValues: KeyValueStore;
}

/** One request, as an operation sees it. */
export interface AgentRequest {
  /** The rest of the path after the operation's own, percent-decoded. */
  readonly argument: string;
  readonly query: URLSearchParams;
  readonly body: Buffer;
  readonly state: AgentState;
  /** Monotonic. */
  readonly nowMs: number;
}

/** An answer. JSON when it has a value, else text. */
export interface AgentReply {
  readonly status: number;
  readonly json?: unknown;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A read that can block: answered when its index has grown or its time is up, from the state of that moment. */
export interface BlockingRead {
  readonly topic: Topic;
  readonly index: () => number;
  readonly reply: () => AgentReply;
}

/** One operation of the API. */
export interface Operation {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  /** A trailing `/` means that an argument follows. */
  readonly path: string;
  /** The query options that it knows; others get 501. */
  readonly query: readonly string[];
  /** Throws an `HttpError` for what it refuses. */
  readonly run: (request: AgentRequest) => AgentReply | BlockingRead;
}

/** The options of a read that can block. */
export const blockingOptions: readonly string[] = ['index', 'wait'];

/** 200 with a JSON body. */
export const json = (value: unknown): AgentReply => ({ status: 200, json: value });

/** Consul's answer to a successful write of the agent: 200 with an empty body. */
export const done: AgentReply = { status: 200, text: '' };
