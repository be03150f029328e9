import { formatAuthority } from './address.ts';
import { showPath } from './config-path.ts';
import { crossProblems, duplicateRoutes } from './cross-checks.ts';
import { formatHashSource, type GatewayConfig } from './gateway-config.ts';
import { fileProblems, type ConfigProblem } from './problems.ts';
import { configSchema } from './schema.ts';

/**
 * Everything that is wrong with a configuration; empty when it holds. For one that comes from elsewhere than `loadConfig`, which
 * checks what it reads. Places are paths: `routes[0].prefix`.
 */
export function configProblems(config: GatewayConfig): readonly ConfigProblem[] {
  const data = fileData(config);
  const parsed = configSchema.safeParse(data);
  if (!parsed.success) return fileProblems(parsed.error.issues, data, showPath);
  const duplicates = duplicateRoutes(data, showPath);
  return duplicates.length > 0 ? duplicates : crossProblems(config, {}, showPath);
}

/** The configuration as its file would hold it: hash sources and addresses as text, services by name, nothing undefined. */
function fileData({ routes, services, ...settings }: GatewayConfig): unknown {
  const data = {
    ...settings,
    routes: routes.map(({ source: _, ...route }) => route),
    services: Object.fromEntries(
      services.map(({ service, instances, settings: own }) => [
        service,
        { ...own, instances: instances?.map(({ address, port }) => formatAuthority(address, port)) },
      ]),
    ),
  };
  return JSON.parse(
    JSON.stringify(data, (key, value: unknown) => (key === 'hash' ? hashText(value) : value)),
  );
}

function hashText(value: unknown): unknown {
  const isSource = typeof value === 'object' && value !== null && 'kind' in value;
  return isSource ? formatHashSource(value as GatewayConfig['hash']) : value;
}
