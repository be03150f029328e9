import type { ListenerLimits } from '../engines/engine.ts';
import type { AttemptTimeouts } from '../exchange/seam.ts';

/** A static route: path prefix (and optional host) → service. */
export interface RouteConfig {
  /** Starts with `/`, in normal form, no trailing `/` except for the root itself. */
  readonly prefix: string;
  /** `example.org` or `*.example.org`, lower case, no port. Undefined: any host. */
  readonly host: string | undefined;
  readonly service: string;
  /** Leading part of the path that is removed before forwarding; undefined: nothing. */
  readonly strip: string | undefined;
  /** Overrides of the global attempt timeouts. */
  readonly timeouts: Partial<AttemptTimeouts>;
  /** `config`: the operator wrote it. `default`: built in; gives way to a claim from the registry while its own service was never seen. */
  readonly source: 'config' | 'default';
}

/** A service that can't register: its instances are listed here instead of being watched. */
export interface FixedServiceConfig {
  readonly service: string;
  readonly instances: readonly { readonly address: string; readonly port: number }[];
}

/** Everything a gateway needs to know to start; frozen, validated as a whole, survives structured clone. */
export interface GatewayConfig {
  /** Name by which it announces itself in Consul; `off` for not at all. */
  readonly announce: string;
  /** `Via` pseudonym (RFC 9110 §7.6.3); one per gateway fleet, so that loops show. */
  readonly pseudonym: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly admin: { readonly host: string; readonly port: number };
  /** `wire`: HTTP/1.1 on bare sockets. `http-proxy`: the compatible one, on node:http. */
  readonly engine: 'wire' | 'http-proxy';
  readonly routes: readonly RouteConfig[];
  readonly services: readonly FixedServiceConfig[];
  /** Peers whose `X-Forwarded-*`, `Forwarded` and `X-Request-Id` are believed: CIDR ranges. */
  readonly trustedProxies: readonly string[];
  /** Which forwarding fields are sent to instances. */
  readonly forwardedFields: 'x-forwarded' | 'forwarded' | 'both';
  readonly limits: ListenerLimits;
  readonly timeouts: AttemptTimeouts;
  readonly poolIdleMs: number;
  readonly retry: {
    /** Attempts per exchange, the first included. */
    readonly attempts: number;
    /** Retries allowed as a share of requests, over the floor. */
    readonly budgetRatio: number;
    readonly budgetFloorPerSecond: number;
  };
  readonly ejection: {
    /** Failures in a row (other than refused connections, which eject at once) before an endpoint is ejected. */
    readonly consecutiveFailures: number;
    /** First ejection time; doubles with each further ejection. */
    readonly baseMs: number;
    readonly maxMs: number;
    /** At most this share of an upstream's endpoints is ejected at a time, but always at least one may be. */
    readonly maxRatio: number;
  };
  readonly drain: {
    /** Between `/readyz` turning 503 and the listener closing: time for an outer balancer to notice. */
    readonly noticeMs: number;
    /** How long exchanges may take to finish after that. */
    readonly timeoutMs: number;
  };
  readonly log: {
    readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
    readonly access: 'on' | 'off';
  };
}
