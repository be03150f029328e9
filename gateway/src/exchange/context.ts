import type { RoutingStatus } from '@roundhouse/agent-sdk/internal';

import type { Destination } from './destination.ts';
import type { ExchangeObserver } from './record.ts';
import type { TrustsPeer } from './trusted-proxies.ts';

/** What every exchange of a gateway shares. Clock, chance, identifiers and dates come from outside, so that a test can drive them. */
export interface ExchangeContext {
  /** The route for a host and a normalised path, or undefined when nobody ever claimed it. */
  readonly resolve: (host: string, path: string) => Destination | undefined;
  /** How an instance stands at this gateway, for the instance that asks (`/.well-known/roundhouse/instances/…`). */
  readonly routingStatus: (service: string, id: string) => RoutingStatus;
  readonly pseudonym: string;
  readonly trusts: TrustsPeer;
  readonly forwardedFields: 'x-forwarded' | 'forwarded' | 'both';
  /** `verify`: instances that can say who they are have to, on every new connection. */
  readonly identity: 'verify' | 'off';
  /**
   * The value of a sticky cookie that names an instance: base64url, the same on every gateway with the same secret, and not to be
   * made by anybody else. Asked once per instance.
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
