import type { BalanceStrategy, EjectionPolicy, OutlierPolicy } from '@roundhouse/agent-sdk/internal';

import type { ListenerLimits } from '../http/limits.ts';
import type { AttemptTimeouts, HashSource, RetryRules } from '../routing/policy.ts';
import type { Parsed } from './address.ts';

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
  /** Overrides of the global retry rules. */
  readonly retry: Partial<RetryRules>;
  /** Override of the global `hedgeAfterMs`. */
  readonly hedgeAfterMs: number | undefined;
  /** `config`: the operator wrote it. `default`: built in; gives way to a claim from the registry while its own service was never seen. */
  readonly source: 'config' | 'default';
}

/** Checks by the gateway itself, in addition to Consul's. */
export interface CheckSettings {
  /** `tcp`: a connection (with the identity question where it can be asked) is enough. `http`: GET `path` has to answer 2xx or 3xx. */
  readonly kind: 'off' | 'tcp' | 'http';
  readonly path: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Good results in a row that bring an endpoint in, bad ones that take it out. */
  readonly rise: number;
  readonly fall: number;
}

/** How requests are shared over the instances of a service, and how the service is protected. Each can be set for one service. */
export interface ServiceSettings {
  readonly balance: BalanceStrategy;
  readonly hash: HashSource;
  /** `cookie`: a client stays with its instance by a signed cookie; falls through when that one is gone. */
  readonly sticky: 'off' | 'cookie';
  readonly slowStartMs: number;
  /** Per instance; 0: no limit. */
  readonly maxConnections: number;
  readonly queue: { readonly limit: number; readonly timeoutMs: number };
  /** Requests of the whole service at a time; 0: no limit. */
  readonly maxRequests: number;
  /** Retries of the whole service under way at a time; 0: no limit. */
  readonly maxRetries: number;
  readonly panicRatio: number;
  readonly ejection: EjectionPolicy;
  readonly outliers: OutlierPolicy;
  readonly checks: CheckSettings;
}

/** The file's settings for one service. */
export interface ServiceConfig {
  readonly service: string;
  /** The instances of a service that can't register: a fixed list, not watched. Undefined: from Consul. */
  readonly instances: readonly { readonly address: string; readonly port: number }[] | undefined;
  /** Overrides of the global settings; groups are merged. They win over what instances say in their meta. */
  readonly settings: ServiceOverrides;
}

/** Some of the settings, groups in parts too. */
export type ServiceOverrides = {
  readonly [K in keyof ServiceSettings]?: K extends 'hash'
    ? HashSource
    : ServiceSettings[K] extends object
      ? Partial<ServiceSettings[K]>
      : ServiceSettings[K];
};

/** Which addresses of the registry are believed; docs/decisions/0009-registered-addresses.md. */
export interface AddressRules {
  /** Only these ranges; empty: all that nothing below refuses. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** `auto`: loopback addresses are believed when Consul itself is reached over loopback. */
  readonly loopback: 'auto' | 'allow' | 'refuse';
}

/** Everything a gateway needs to know to start; frozen, validated as a whole, survives structured clone. */
export interface GatewayConfig extends ServiceSettings {
  /** Name by which it announces itself in Consul; `off` for not at all. */
  readonly announce: string;
  /** `Via` pseudonym (RFC 9110 §7.6.3); one per gateway fleet, so that loops show. */
  readonly pseudonym: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly admin: {
    readonly host: string;
    readonly port: number;
    /** Bearer token for changes; `off`: none, and only a listener on loopback changes anything. */
    readonly token: string;
  };
  /** `wire`: HTTP/1.1 on bare sockets. `http-proxy`: the compatible one, on node:http. */
  readonly engine: 'wire' | 'http-proxy';
  readonly routes: readonly RouteConfig[];
  readonly services: readonly ServiceConfig[];
  /** Peers whose `X-Forwarded-*`, `Forwarded` and `X-Request-Id` are believed: CIDR ranges. */
  readonly trustedProxies: readonly string[];
  /** Which forwarding fields are sent to instances. */
  readonly forwardedFields: 'x-forwarded' | 'forwarded' | 'both';
  readonly limits: ListenerLimits;
  readonly timeouts: AttemptTimeouts;
  readonly poolIdleMs: number;
  readonly retry: RetryRules & {
    /** Retries allowed as a share of requests, over the floor. */
    readonly budgetRatio: number;
    readonly budgetFloorPerSecond: number;
    /** Request bodies up to this size are kept, so that they can be sent again. */
    readonly replayBytes: number;
  };
  /** For safe methods: a second attempt beside the first when it has no answer after so long; 0: never. */
  readonly hedgeAfterMs: number;
  /** Signs the cookies of sticky sessions; the same for a fleet. `random`: new at every start. */
  readonly stickySecret: string;
  /** `verify`: instances that announce their identity are checked on every new connection. */
  readonly identity: 'verify' | 'off';
  readonly addresses: AddressRules;
  /** What a snapshot that takes away much is worth. */
  readonly guard: {
    /** A snapshot that removes more than this share of a service's instances at once is checked before it is believed; 1: never. */
    readonly maxRemovedRatio: number;
    /** How long removed instances that still answer are kept at most. */
    readonly holdMs: number;
  };
  /** File for the last good table, read when the registry does not answer at the start; `off`: none. */
  readonly savedTable: string;
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

/** The settings of one service: `base` with `overrides` laid over it, groups key by key. Further overrides win over earlier ones. */
export function serviceSettings(
  base: ServiceSettings,
  ...overrides: readonly ServiceOverrides[]
): ServiceSettings {
  // The empty one picks the settings out of a base that holds more, such as the whole configuration.
  return [{}, ...overrides].reduce<ServiceSettings>(
    (settings, over: ServiceOverrides) => ({
      balance: over.balance ?? settings.balance,
      hash: over.hash ?? settings.hash,
      sticky: over.sticky ?? settings.sticky,
      slowStartMs: over.slowStartMs ?? settings.slowStartMs,
      maxConnections: over.maxConnections ?? settings.maxConnections,
      queue: { ...settings.queue, ...over.queue },
      maxRequests: over.maxRequests ?? settings.maxRequests,
      maxRetries: over.maxRetries ?? settings.maxRetries,
      panicRatio: over.panicRatio ?? settings.panicRatio,
      ejection: { ...settings.ejection, ...over.ejection },
      outliers: { ...settings.outliers, ...over.outliers },
      checks: { ...settings.checks, ...over.checks },
    }),
    base,
  );
}

/** A token of RFC 9110 §5.6.2: the name of a header field or a cookie. */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;

/** Reads `client-ip`, `path`, `header:NAME` or `cookie:NAME`. Names of fields are brought to lower case, those of cookies are not. */
export function parseHashSource(text: string): Parsed<HashSource> {
  if (text === 'client-ip' || text === 'path') return { value: { kind: text } };
  const colon = text.indexOf(':');
  const kind = text.slice(0, Math.max(0, colon));
  const name = text.slice(colon + 1);
  if (token.test(name)) {
    if (kind === 'header') return { value: { kind, name: name.toLowerCase() } };
    if (kind === 'cookie') return { value: { kind, name } };
  }
  return { problem: 'client-ip, path, header:NAME or cookie:NAME' };
}

/** The text that {@link parseHashSource} reads. */
export function formatHashSource(source: HashSource): string {
  return 'name' in source ? `${source.kind}:${source.name}` : source.kind;
}
