import type { z } from 'zod';

import type { AttemptTimeouts, HashSource, RetryRules } from '../routing/policy.ts';
import type { configSchema } from './schema.ts';
import type { serviceFields } from './service-schema.ts';

/** What cannot be changed, all the way down. */
export type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

/** A static route: path prefix (and optional host) → service. */
export interface RouteConfig {
  /** Starts with `/`, in normal form, no trailing `/` except for the root itself. */
  readonly prefix: string;
  /** `example.org` or `*.example.org`, lower case, no port. Undefined: any host. */
  readonly host: string | undefined;
  readonly service: string;
  /** Services of which the one that serves has the route, in the order of preference; `service` is the first. Undefined: `service` alone. */
  readonly owners?: readonly string[] | undefined;
  /** Whether tags may claim what lies below the prefix: `none`, or `below`. Undefined: `none`. */
  readonly claims?: 'none' | 'below' | undefined;
  /** Leading part of the path that is removed before forwarding; undefined: nothing. */
  readonly strip: string | undefined;
  /** Overrides of the global attempt timeouts. */
  readonly timeouts: Partial<AttemptTimeouts>;
  /** Overrides of the global retry rules. */
  readonly retry: Partial<RetryRules>;
  /** Override of the global `hedgeAfterMs`. */
  readonly hedgeAfterMs: number | undefined;
  /** `strict`: no path is taken that a framework could take both for one of this route and of another. */
  readonly paths: 'usual' | 'strict' | undefined;
  /** `config`: the operator wrote it. `default`: built in; gives way to a claim from the registry while its own service was never seen. */
  readonly source: 'config' | 'default';
}

/** How requests are shared over the instances of a service, and how the service is protected. Each can be set for one service. */
export type ServiceSettings = Frozen<z.output<z.ZodObject<typeof serviceFields>>>;

/** Checks by the gateway itself, in addition to Consul's. */
export type CheckSettings = ServiceSettings['checks'];

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
export type AddressRules = GatewayConfig['addresses'];

/**
 * Everything a gateway needs to know to start; frozen, validated as a whole, survives structured clone. `schema.ts` says of each
 * field what it means, what is allowed and what holds without it.
 */
export interface GatewayConfig extends Frozen<Omit<z.output<typeof configSchema>, 'routes' | 'services'>> {
  readonly routes: readonly RouteConfig[];
  readonly services: readonly ServiceConfig[];
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
      silence: over.silence ?? settings.silence,
      checks: { ...settings.checks, ...over.checks },
    }),
    base,
  );
}
