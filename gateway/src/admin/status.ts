import type { CheckSettings, ServiceSettings } from '../config/gateway-config.ts';

/** What the admin API shows: plain values, read afresh for each request. */

/** One line of the route table. */
export interface RouteStatus {
  readonly host: string | undefined;
  readonly prefix: string;
  readonly service: string;
  readonly strip: string | undefined;
  readonly source: 'config' | 'default' | 'registry';
  /** `active`; or why it is not used ("claimed by api-service since …"). */
  readonly state: 'active' | 'conflict' | 'invalid';
  readonly reason: string | undefined;
}

export interface InstanceStatusRow {
  readonly id: string;
  readonly key: string;
  readonly address: string;
  readonly port: number;
  /** Consul's word, or `draining`. */
  readonly status: 'passing' | 'warning' | 'critical' | 'draining';
  /** The gateway's own word. */
  readonly health: 'healthy' | 'ejected' | 'probation';
  /** What the gateway's own checks say; `unchecked` without any, or before the first. */
  readonly check: 'up' | 'down' | 'unchecked';
  /** Why `check` is `down`; else empty. */
  readonly checkReason: string;
  readonly phase: 'serving' | 'draining';
  /** `held`: the registry no longer lists it, but took too much away at once to be believed yet. */
  readonly listing: 'listed' | 'held';
  /** How it is held; undefined while it is listed. */
  readonly held: HeldStatus | undefined;
  readonly weight: number;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly inFlight: number;
  readonly total: number;
}

/** An instance that the registry no longer lists, and that is kept for now. */
export interface HeldStatus {
  /** `removal`: too many were taken away at once; `after_failure`, `no_leader`, `index`, `filtered`: the answer was in doubt. */
  readonly because: 'after_failure' | 'no_leader' | 'index' | 'filtered' | 'removal';
  readonly forMs: number;
  /** When it goes if nothing else happens; further trouble prolongs it. */
  readonly leftMs: number;
  /** What asking it brought: `unknown` before the first answer, `alive`, or how often it failed in a row, and why. */
  readonly probe: string;
}

/**
 * The settings that a service is served by, beside `balance`: the defaults, what it says itself, and what the configuration says of
 * it.
 */
export interface EffectiveSettings extends Omit<ServiceSettings, 'balance' | 'hash' | 'checks'> {
  /** What `consistent-hash` goes by, as it is written in the configuration; undefined for the other strategies. */
  readonly hash: string | undefined;
  readonly checks: 'off' | CheckSettings;
}

export interface ServiceStatus {
  readonly service: string;
  /** `live`: following the registry. `stale`: serving the last good snapshot. `syncing`: no snapshot yet. `fixed`: from the config. */
  readonly registry: 'live' | 'stale' | 'syncing' | 'fixed';
  /** Time since the registry last confirmed this list. */
  readonly ageMs: number | undefined;
  readonly message: string | undefined;
  /** How requests are shared over the instances: `round-robin`, `least-requests` … */
  readonly balance: string;
  readonly settings: EffectiveSettings;
  /** What the service asks for in its meta and can't have. */
  readonly invalidSettings: readonly { readonly setting: string; readonly allowed: string }[];
  /** `panic`: so few instances are healthy that Consul's judgement is in doubt and critical ones are used too. */
  readonly panic: 'calm' | 'panic';
  /** Requests waiting for an instance to become free. */
  readonly queued: number;
  readonly instances: readonly InstanceStatusRow[];
  readonly quarantined: readonly { readonly id: string; readonly node: string; readonly reason: string }[];
}

/** `/readyz`: ready when the first snapshot of every routed service is in and the gateway isn't draining. */
export interface Readiness {
  readonly ready: boolean;
  /** For a person: what it still waits for, or "draining", or a staleness note. */
  readonly detail: string;
}

export interface GatewayStatus {
  routes(): readonly RouteStatus[];
  services(): readonly ServiceStatus[];
  readiness(): Readiness;
  /** name, version, engine, uptime, open connections. */
  summary(): Readonly<Record<string, string | number>>;
}

/** What the admin listener can change. */
export interface GatewayActions {
  /**
   * Lets instances go that are held although the registry no longer lists them; their ids, or undefined for a service that is not
   * routed. They come back when they are listed again.
   */
  release(service: string): readonly string[] | undefined;
}
