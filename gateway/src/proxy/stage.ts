import type { AttemptFailure } from '../exchange/seam.ts';

/**
 * One stretch of an exchange: a wait, an attempt, then the relay of a response, or a tunnel. It hears of the client's connection for
 * as long as it lasts, and tells the exchange what came of it.
 */
export interface Stage {
  /** Body bytes that have come from the instance. */
  readonly responseBytes: number;
  /** Bytes that have come from the client, where that isn't the body of the request. */
  readonly requestBytes: number | undefined;
  /** Bytes of the client, valid during the call. Returns the index after those it took; the rest is offered again. */
  clientBytes(bytes: Buffer, from: number, to: number): number;
  /** The client takes bytes again. */
  clientDrained(): void;
  /** The client has sent all it will send. */
  clientEnded(): void;
  clientTimedOut(): void;
  /** The exchange has had all its time (`totalMs`). */
  expired(): void;
  /** Lets go of the instance at once. What the attempt had come to, as long as there was no final head. */
  abandon(): AttemptFailure | undefined;
}

/** How long a client that has ended its side may hear nothing before it is taken for gone, or asked (R40). */
export const halfClosedMs = 20;
