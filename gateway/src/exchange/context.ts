import type { RoutingQuestion, RoutingStatus } from '@roundhouse/agent-sdk/internal';

import type { Destination } from './destination.ts';
import type { ExchangeObserver } from './record.ts';
import type { Sessions } from './sessions.ts';
import type { TrustsPeer } from './trusted-proxies.ts';

/** What every exchange of a gateway shares. Clock, chance, identifiers and dates come from outside, so that a test can drive them. */
export interface ExchangeContext {
  /** The route for a host and a normalised path, or undefined when no service ever claimed it. */
  readonly resolve: (host: string, path: string) => Destination | undefined;
  /** False: a path without a destination may have one soon. */
  readonly areClaimsKnown: () => boolean;
  /** How an instance stands at this gateway, for the instance that asks (`/.well-known/roundhouse/instances/…`). Undefined: it is not the instance that asks. */
  readonly routingStatus: (question: RoutingQuestion) => RoutingStatus | undefined;
  /** Whether there is memory for one more request; `upload`: one with a body. */
  readonly admits: (what: 'request' | 'upload') => boolean;
  readonly pseudonym: string;
  /** Undefined: nothing that a peer says about the client is believed. */
  readonly trusts: TrustsPeer | undefined;
  readonly forwardedFields: 'x-forwarded' | 'forwarded' | 'both';
  /** `verify`: instances that can prove their identity have to, on every new connection. */
  readonly identity: 'verify' | 'off';
  /**
   * The value of a sticky cookie that names an instance: base64url, the same on every gateway with the same secret, and not to be
   * made without it. Asked once per instance.
   */
  readonly sessionToken: (service: string, instanceKey: string) => string;
  readonly observe: ExchangeObserver;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  /** The present time as an HTTP date. */
  readonly httpDate: () => string;
  readonly newRequestId: () => string;
}

/** The part of the context that a new configuration may change while exchanges run; those keep what they began with. */
export type ExchangePolicy = Pick<ExchangeContext, 'pseudonym' | 'trusts' | 'forwardedFields' | 'identity'>;

/** The context with what the exchange keeps for all of its exchanges. */
export interface GatewayContext extends ExchangeContext {
  readonly sessions: Sessions;
}
