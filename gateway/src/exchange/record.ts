import type { ErrorCode } from './errors.ts';
import type { ExchangeEnd } from './seam.ts';

/**
 * Why an attempt was made. `first`; `retry`: another had failed; `hedge`: another was slow, and went on beside it; `silence`: the
 * endpoint of another was silent; that one went on beside it if the request was safe.
 */
export type AttemptKind = 'first' | 'retry' | 'hedge' | 'silence';

/** One try of an exchange on an endpoint, for the log. */
export interface AttemptRecord {
  readonly instance: string;
  readonly kind: AttemptKind;
  /**
   * `answered`: the client got its answer. `failed`: see `error`. `passed_over`: it answered `status`, and another instance was tried.
   * `dropped`: given up without a judgement, because another was faster or the exchange was over.
   */
  readonly end: 'answered' | 'failed' | 'passed_over' | 'dropped';
  /** What went wrong; undefined when nothing did. */
  readonly error: ErrorCode | undefined;
  /** A sentence about it: which line of a response head, or which limit. */
  readonly detail?: string | undefined;
  /** Of its response head; undefined when none came. */
  readonly status: number | undefined;
  readonly durationMs: number;
}

/** What is known of an exchange when it has ended: the source of the access log and of the request metrics. */
export interface ExchangeRecord {
  readonly requestId: string;
  readonly clientAddress: string;
  readonly method: string;
  readonly host: string;
  /** Path without query, as it was routed; the raw target where it could not be parsed. */
  readonly path: string;
  /** Prefix of the matched route (with its host, where it has one); undefined without a match. */
  readonly route: string | undefined;
  readonly service: string | undefined;
  /** The instance whose answer the client got. */
  readonly instance: string | undefined;
  /** As sent to the client; 499 when it had left before. */
  readonly status: number;
  readonly error: ErrorCode | undefined;
  /** A sentence about a request that was refused: which line or which limit. */
  readonly detail?: string | undefined;
  /** In the order in which they ended. */
  readonly attempts: readonly AttemptRecord[];
  /** How many of the attempts were retries; hedges are not. */
  readonly retries: number;
  readonly end: ExchangeEnd;
  readonly durationMs: number;
  /** Time spent waiting for an instance to become free. */
  readonly queuedMs: number;
  /** From the first attempt to the response head of the instance that answered; undefined when none did. */
  readonly upstreamMs: number | undefined;
}

/** Called for every exchange that ends. Must not throw and must not block. */
export type ExchangeObserver = (record: ExchangeRecord) => void;
