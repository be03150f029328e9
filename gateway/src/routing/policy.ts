/** How requests on a route are treated. Plain values of the configuration, for the route table, the registry and the exchange. */

/** Limits on the waits of an exchange. In a step they are what is left of them for this attempt. */
export interface AttemptTimeouts {
  /** From the start of connecting to a usable connection, the identity check included. */
  readonly connectMs: number;
  /** From the whole request sent to the end of the response head. */
  readonly responseHeadMs: number;
  /** Between two reads or writes of a body or tunnel. */
  readonly idleMs: number;
  /** From the start of the attempt to the end of the response head; `try_timeout` after it. 0: no limit. */
  readonly tryMs: number;
  /**
   * From the request head to the end of the response, all attempts included; `deadline_exceeded` before a response head, a cut
   * (`ExchangeEnd` `deadline`) after it. Does not end a tunnel. 0: no limit.
   */
  readonly totalMs: number;
}

/** When a failed attempt may be repeated; the rules are in docs/reliability.md. */
export interface RetryRules {
  /** Attempts per exchange, the first included. */
  readonly attempts: number;
  /** Answers of an instance after which an idempotent request is tried elsewhere: of 502, 503 and 504, none by default. */
  readonly statuses: readonly number[];
  /** `allow`: methods that are not idempotent are repeated like the others; the operator vouches for the service. */
  readonly nonIdempotent: 'never' | 'allow';
}

/** What a request is placed by under `consistent-hash`. Names of header fields are in lower case. */
export type HashSource =
  | { readonly kind: 'client-ip' }
  | { readonly kind: 'path' }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'cookie'; readonly name: string };
