import { parseRouteTag } from '@roundhouse/agent-sdk/internal';

import type { GatewayConfig, ServiceSettings } from '../config/gateway-config.ts';
import { ownersOf, type Route } from '../routing/route.ts';
import type { Catalogs } from './sources/catalogs.ts';
import type { RegistrySource } from './sources/registry-source.ts';

/** The part of the configuration that the registry follows. */
export type RegistryConfig = ServiceSettings &
  Pick<
    GatewayConfig,
    | 'routes'
    | 'routesReleaseAfterMs'
    | 'services'
    | 'timeouts'
    | 'retry'
    | 'hedgeAfterMs'
    | 'guard'
    | 'addresses'
    | 'discovery'
  >;

/** The source of the lists in the configuration; their instances have this cluster, too. */
export const configured: Pick<RegistrySource, 'name' | 'trust'> = { name: 'fixed', trust: 'config' };

/** The routes of the configuration; they choose no tag. */
export function routesOf(config: RegistryConfig): readonly Route[] {
  return config.routes.map((route) => ({ ...route, tag: undefined }));
}

/** Services whose instances the configuration lists. */
export function listedServices({ services }: RegistryConfig): ReadonlySet<string> {
  return new Set(services.flatMap(({ service, instances }) => (instances === undefined ? [] : service)));
}

/** Services that the configuration routes and does not list. */
export function watchedServices(config: RegistryConfig): readonly string[] {
  const lists = listedServices(config);
  return config.routes.flatMap(ownersOf).filter((service) => !lists.has(service));
}

/**
 * Services of the catalogs that may claim a route by what their instances carry together, without those that the configuration knows: names
 * that differ in case only are one service for Consul.
 */
export function claimingServices(config: RegistryConfig, catalogs: Catalogs): readonly string[] {
  const { tagPrefix, onlyTags } = config.discovery;
  const known = new Set(
    [...listedServices(config), ...watchedServices(config)].map((name) => name.toLowerCase()),
  );
  const names = catalogs.services(
    (tags) =>
      tags.some((tag) => parseRouteTag(tag, tagPrefix) !== undefined) &&
      (onlyTags.length === 0 || tags.some((tag) => onlyTags.includes(tag))),
  );
  return [...names].filter((name) => !known.has(name.toLowerCase()));
}

/** Whether no claim can replace a route: the configuration owns its prefix, and the prefix is not the root. */
export function isCertain(route: Route | undefined): boolean {
  return route !== undefined && route.source === 'config' && route.prefix !== '/' && route.claims !== 'below';
}
