import type { EngineStats } from '../listeners/engine.ts';
import type { CheckSettings, ServiceSettings } from '../config/gateway-config.ts';

/** What the gateway is doing now, as plain values: the admin API, the metrics and the commands read it. */

/** One line of the route table. */
export interface RouteStatus {
  readonly host: string | undefined;
  readonly prefix: string;
  readonly service: string;
  readonly strip: string | undefined;
  readonly source: 'config' | 'default' | 'registry';
  /** Services that claim the same and don't have it. */
  readonly rivals: readonly string[];
  /** `active`; `remembered`: no instance claims it any more, it answers 503 until it is forgotten; else it is not used, and `reason` says why. */
  readonly state: 'active' | 'remembered' | 'conflict' | 'invalid';
  readonly reason: string | undefined;
  /** Of a remembered route: for how long it has had no live instance. */
  readonly idleForMs?: number;
  /** Of a remembered route: when it is forgotten and answers 404, from now. */
  readonly forgottenInMs?: number;
}

/** One instance of a service. */
export interface InstanceStatusRow {
  readonly id: string;
  readonly key: string;
  readonly address: string;
  readonly port: number;
  /** Consul's status, or `draining`. */
  readonly status: 'passing' | 'warning' | 'critical' | 'draining';
  /** Whether the gateway has ejected it. `silent`: it owes responses, and did not answer a question either. */
  readonly health: 'healthy' | 'ejected' | 'probation' | 'silent';
  /** Result of the gateway's own checks; `unchecked` without any, or before the first. */
  readonly check: 'up' | 'down' | 'unchecked';
  /** Why `check` is `down`; otherwise empty. */
  readonly checkReason: string;
  readonly phase: 'serving' | 'draining';
  /** `held`: the registry no longer lists it, and the gateway keeps it because the removal is suspicious. */
  readonly listing: 'listed' | 'held';
  /** How it is held; undefined while it is listed. */
  readonly held: HeldStatus | undefined;
  readonly weight: number;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly inFlight: number;
  readonly total: number;
}

/** How an instance is held that the registry no longer lists. */
export interface HeldStatus {
  /** `removal`: too many were removed at once; `after_failure`, `no_leader`, `index`, `filtered`: the answer was in doubt. */
  readonly because: 'after_failure' | 'no_leader' | 'index' | 'filtered' | 'removal';
  readonly forMs: number;
  /** Time until it is dropped; further suspicious answers prolong it. */
  readonly leftMs: number;
  /** Result of probing it: `unknown` before the first probe, `alive`, or how often it failed in a row, and why. */
  readonly probe: string;
}

/** The settings in force for a service, beside `balance`: the defaults, the service's own, and those of the configuration. */
export interface EffectiveSettings extends Omit<ServiceSettings, 'balance' | 'hash' | 'checks'> {
  /** The hash source of `consistent-hash`, as it is written in the configuration; undefined for the other strategies. */
  readonly hash: string | undefined;
  readonly checks: 'off' | CheckSettings;
}

/** One service. */
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
  /** Settings in the service's meta that are not allowed, and are ignored. */
  readonly invalidSettings: readonly { readonly setting: string; readonly allowed: string }[];
  /** `panic`: so few instances are healthy that critical ones are used too. */
  readonly panic: 'calm' | 'panic';
  /** Requests waiting for an instance to become free. */
  readonly queued: number;
  /** Each row is made when it is come to: there may be thousands. */
  readonly instances: Iterable<InstanceStatusRow>;
  readonly quarantined: readonly { readonly id: string; readonly node: string; readonly reason: string }[];
}

/** `/readyz`: ready when the catalog and every followed service are known, from Consul or a saved table, and the gateway serves. */
export interface Readiness {
  readonly ready: boolean;
  /** In words: what it still waits for, or "draining", or a staleness note. */
  readonly detail: string;
}

/** The gateway in a few figures. */
export interface GatewaySummary extends EngineStats {
  readonly name: string;
  readonly version: string;
  readonly engine: string;
  /** The Consul agent that is followed, in words. */
  readonly consul: string;
  readonly phase: 'starting' | 'serving' | 'draining';
  readonly uptimeSeconds: number;
  /** Lines of {@link GatewayStatus.routes}, those that are not active included. */
  readonly routes: number;
  readonly services: number;
  /** Names in the catalog that can't be believed, and so are not followed. */
  readonly refusedServices: readonly string[];
  /** What is not as it should be between the gateway and Consul, while it goes on: a limit that is reached, say. */
  readonly notices: readonly { readonly kind: string; readonly message: string }[];
  readonly ready: Readiness;
  readonly instances: number;
}

/** How many instances of a service are in which state. */
export interface ServiceCounts extends Pick<
  ServiceStatus,
  'service' | 'registry' | 'ageMs' | 'panic' | 'queued'
> {
  readonly total: number;
  /** Those that get requests now. */
  readonly taking: number;
  readonly byStatus: Readonly<Record<InstanceStatusRow['status'], number>>;
  /** Left out by the gateway itself after failures, or on probation. */
  readonly ejected: number;
  /** They owe responses, and did not answer a question either. */
  readonly silent: number;
  readonly held: number;
  readonly quarantined: number;
}

/** Reads the status; each call reads it afresh. */
export interface GatewayStatus {
  routes(): readonly RouteStatus[];
  services(): readonly ServiceStatus[];
  /** One service; undefined when it is not routed. */
  service(name: string): ServiceStatus | undefined;
  /** The same services in figures. */
  counts(): readonly ServiceCounts[];
  readiness(): Readiness;
  summary(): GatewaySummary;
}
