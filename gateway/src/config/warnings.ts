import { isLoopback } from './address.ts';
import type { Origins } from './cross-checks.ts';
import type { GatewayConfig } from './gateway-config.ts';

/** What is allowed but should be known. */
export function warningsAbout(config: GatewayConfig, origins: Origins): readonly string[] {
  const warnings: string[] = [];
  if (!isLoopback(config.admin.host)) {
    warnings.push(
      `The admin listener is open on ${config.admin.host}:${config.admin.port} (${origins['admin.host'] ?? 'default'}): ` +
        'whoever reaches it can read routes, instances and metrics. Keep it inside a trusted network.',
    );
  }
  if (config.trustedProxies.some((range) => range.endsWith('/0'))) {
    warnings.push(
      `trustedProxies (${origins['trustedProxies'] ?? 'default'}) holds a /0 range: every client can forge its address.`,
    );
  }
  const routed = new Set(config.routes.map((route) => route.service));
  for (const { service, instances } of config.services) {
    if (instances !== undefined && !routed.has(service))
      warnings.push(`services.${service} has a fixed list, but no route leads to it.`);
  }
  const stickies = [
    ...(config.sticky === 'cookie' ? ['sticky'] : []),
    ...config.services
      .filter((s) => s.settings.sticky === 'cookie')
      .map((s) => `services.${s.service}.sticky`),
  ];
  if (stickies.length > 0 && config.stickySecret === 'random') {
    warnings.push(
      `${stickies.join(', ')}: the cookies are signed with a secret drawn at the start, so that clients lose their instance with a ` +
        'restart and at every other gateway. Give all gateways the same GATEWAY_STICKY_SECRET.',
    );
  }
  for (const { path, tryMs, hedgeAfterMs } of hedges(config)) {
    if (tryMs > 0 && hedgeAfterMs >= tryMs) {
      warnings.push(
        `${path} (${hedgeAfterMs} ms) never comes: a try ends after ${tryMs} ms, by timeouts.tryMs.`,
      );
    }
  }
  return warnings;
}

/** What `hedgeAfterMs` meets, globally and in each route that overrides one of the two. */
function hedges(
  config: GatewayConfig,
): readonly { readonly path: string; readonly tryMs: number; readonly hedgeAfterMs: number }[] {
  const { timeouts, hedgeAfterMs } = config;
  return [
    { path: 'hedgeAfterMs', tryMs: timeouts.tryMs, hedgeAfterMs },
    ...config.routes.flatMap((route, index) =>
      route.hedgeAfterMs === undefined
        ? []
        : [
            {
              path: `routes[${index}].hedgeAfterMs`,
              tryMs: route.timeouts.tryMs ?? timeouts.tryMs,
              hedgeAfterMs: route.hedgeAfterMs,
            },
          ],
    ),
  ];
}
