import type { Frozen, GatewayConfig, RouteConfig } from './gateway-config.ts';
import { configSchema } from './schema.ts';

const builtIn = (prefix: string, service: string): RouteConfig => ({
  prefix,
  host: undefined,
  service,
  strip: undefined,
  timeouts: {},
  retry: {},
  hedgeAfterMs: undefined,
  owners: undefined,
  claims: undefined,
  paths: undefined,
  source: 'default',
});

/** The configuration without any setting. Frozen; `docs/configuration.md` is tested against it. */
export const defaults: GatewayConfig = deepFreeze({
  ...configSchema.parse({}),
  routes: [builtIn('/api', 'api-service'), builtIn('/', 'webapp-service')],
  services: [],
});

/** Freezes plain data all the way down, and returns it. */
export function deepFreeze<T>(value: T): Frozen<T> {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value as Frozen<T>;
}
