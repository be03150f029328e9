import type { ServiceOverrides, ServiceSettings } from './gateway-config.ts';

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
