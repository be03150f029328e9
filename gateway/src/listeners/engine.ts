import type { LookupFunction } from 'node:net';

import type { Endpoint } from '@roundhouse/agent-sdk/internal';

import type { Exchanges } from '../exchange/seam.ts';
import type { ListenerLimits } from '../http/limits.ts';
import type { Crowding } from './admission.ts';
import type { MemoryBudget } from '../sockets/memory-budget.ts';

/** What an engine counts about itself. */
export interface EngineStats {
  readonly clientConnections: number;
  /** Exchanges between their head and their end, tunnels included. */
  readonly exchanges: number;
  readonly upstreamConnections: number;
}

/** The address that a listener got. */
export interface BoundAddress {
  readonly host: string;
  readonly port: number;
}

export interface EngineOptions {
  readonly exchanges: Exchanges;
  readonly limits: ListenerLimits;
  /** The account of all that is held for peers. */
  readonly memory: MemoryBudget;
  /** Idle time after which a pooled upstream connection is closed; below every instance's own keep-alive timeout. */
  readonly poolIdleMs: number;
  /** Connections to instances at a time; idle ones are given up for new ones above it. Infinity: no limit. */
  readonly maxUpstreamConnections: number;
  /** Peers that speak for many clients, so that `connectionsPerAddress` is not for them. Asked for each new connection. */
  readonly isExempt: (address: string) => boolean;
  /** Hears when there are too many client connections. Must not throw. */
  readonly onCrowding: (crowding: Crowding) => void;
  /** Hears what the gateway itself has run out of, in words. Must not throw. */
  readonly onExhausted: (why: string) => void;
  /** Request bodies up to this size are kept until the response head has come, so that they can be sent again. */
  readonly replayBytes: number;
  /**
   * Resolves the host name of an instance and refuses addresses that must not be reached; given to `net.connect`, so that what was
   * checked is what is connected to.
   */
  readonly lookup: LookupFunction;
  /** Hears of exceptions of the gateway's own inside an exchange, which has then been ended with a 500 or a cut. Must not throw. */
  readonly onFault: (fault: unknown) => void;
}

/** Moves the bytes of exchanges. Made by `createWireEngine` or `createHttpProxyEngine`; ended by its owner with `stop`. */
export interface Engine {
  readonly name: string;
  /** Starts accepting. Rejects with the system error (EADDRINUSE …). */
  listen(address: { readonly host: string; readonly port: number }): Promise<BoundAddress>;
  /** New limits, for heads that begin and connections that come from now on. */
  setLimits(limits: ListenerLimits): void;
  /**
   * From now on: `Connection: close` on every answer (lame duck). It still accepts, and closes no idle client connection: an idle
   * connection looks like one whose next request is on its way.
   */
  disableKeepAlive(): void;
  /**
   * Stops accepting and disables keep-alive. Lets exchanges finish for up to `drainMs`; idle client connections get a second (half
   * the drain when that is less) for one more request; WebSockets are closed with 1012 one after the other in the later half.
   * Then cuts the rest and closes every pool. Resolves with the number of exchanges it had to cut, when no socket is left.
   * Further calls get the same promise.
   */
  stop(drainMs: number): Promise<number>;
  /**
   * Closes the idle pooled connections of every endpoint whose key (`endpointKey(instance)` of the SDK: key, address and port) is
   * not in `live`; connections in use are closed when their exchange ends.
   */
  closeIdleExcept(live: ReadonlySet<string>): void;
  /** The endpoint is silent: has exchanges that wait for it tried elsewhere, as far as that does no harm. */
  leave(endpoint: Endpoint): void;
  stats(): EngineStats;
}
