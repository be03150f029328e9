import type { BackoffBounds } from '../discovery/backoff.ts';

/**
 * Every time limit in the life of a service, in milliseconds, in the order of that life, each with its reason. The limits that
 * a caller sets (`ttlMs`, `acknowledgeTimeoutMs`, `propagationMs`, `drainTimeoutMs`) have their defaults in `options.ts`.
 */
export const timeLimits = {
  // Starting
  /**
   * The server's keep-alive timeout, at least. The gateway closes its idle connections after less than 60 s, so it never sends a
   * request on a connection that the server is closing (RFC 9112 §9.8: a client can't tell whether such a request was processed).
   */
  keepAliveMs: 75_000,
  /** The server's timeout for heads, at least. Below the keep-alive timeout it could end an idle connection first. */
  headersMs: 80_000,
  /** Determining the address, then the first registration: each delays a start at most this long, and goes on in the background. */
  firstAttemptMs: 2_000,

  // Serving, see also registrarTiming
  /** One HTTP check by Consul's agent, where its interval is not shorter. */
  httpCheckMs: 10_000,
  /** How long a gateway may take to find a new instance good before that is worth a warning. */
  liveMs: 5_000,
  /** One read of the list of gateways. */
  gatewayLookupMs: 2_000,
  /** One question to one gateway. Long, because a slow gateway that is asked again gets slower. */
  gatewayAnswerMs: 3_000,
  /** Between two questions to one gateway: the first pause and the longest. */
  gatewayPauseMs: { first: 20, longest: 100 },

  // Leaving
  /** A call to Consul that a stop interrupts: it may finish, since a registration cut off half way could arrive after the end. */
  interruptedCallMs: 1_000,
  /** Each call to Consul during a stop. A registry that does not answer must not hold up the end. */
  leavingCallMs: 1_000,
  /** After the gateways have confirmed: what they had begun before (connections in the listen backlog) arrives within this. */
  settleMs: 50,

  // Draining
  /** Between two looks at the connections; one on which nothing came since the last look counts as idle. */
  sweepMs: 100,
  /** A client that connected and sent nothing (a browser's speculative connection) is waited for this long. */
  silentClientMs: 500,
  /** Endless answers look as if another request could follow them: the framework is told to close after this at the latest. */
  frameworkCloseLatestMs: 1_000,
  /** For the server to notice that its last sockets were destroyed. */
  destroyedMs: 1_000,
  /** The framework's closing hooks after the last request, and then the caller's `close` hook, each. */
  closeHookMs: 5_000,

  // Deregistering
  /** Between two tries to deregister. */
  deregisterPauseMs: 200,
} as const;

/** The part of `drainTimeoutMs`, at its end, over which upgraded connections are cut, so that their clients don't return at once. */
export const cutShare = 0.3;

/** The intervals of a registrar, all in milliseconds. */
export interface RegistrarTiming {
  readonly heartbeatMs: number;
  /** How often the registration is repeated although nothing seems wrong: repairs what others changed and follows a changed address. */
  readonly reconcileMs: number;
  /** While another process has this one's id: how long after its end the record is taken back. */
  readonly rivalLookMs: number;
  /** Deadline of each single call. */
  readonly callTimeoutMs: number;
  readonly backoff: BackoffBounds;
  /** How often a lasting outage is mentioned again. */
  readonly remindMs: number;
}

/**
 * The heartbeat comes often enough that an agent which forgot the instance has it back within 15 s even when a call times out in
 * between: 5 s to the heartbeat, 4 s for a call, 5 s of backoff.
 */
export function registrarTiming(ttlMs: number): RegistrarTiming {
  const heartbeatMs = Math.min(ttlMs / 3, 5_000);
  return {
    heartbeatMs,
    reconcileMs: 30_000,
    rivalLookMs: 1_000,
    callTimeoutMs: Math.max(1_000, Math.min(heartbeatMs, 4_000)),
    backoff: { minMs: Math.min(250, heartbeatMs), maxMs: heartbeatMs },
    remindMs: 60_000,
  };
}
