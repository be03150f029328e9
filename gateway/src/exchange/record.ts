import type { ErrorCode } from './errors.ts';
import type { ExchangeEnd } from './seam.ts';

/** One try of an exchange on an endpoint, for the log. */
export interface AttemptRecord {
  readonly instance: string;
  /** What went wrong; undefined for the attempt whose answer was used. */
  readonly error: ErrorCode | undefined;
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
  readonly attempts: readonly AttemptRecord[];
  readonly end: ExchangeEnd;
  readonly durationMs: number;
  /** From the first attempt to the response head of the instance that answered; undefined when none did. */
  readonly upstreamMs: number | undefined;
}

/** Hears of every exchange that ends. Must not throw and must not block. */
export type ExchangeObserver = (record: ExchangeRecord) => void;
