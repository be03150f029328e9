import { formatAuthority } from '../config/address.ts';
import { routeName } from '../routing/route.ts';
import { printable } from '../telemetry/printable.ts';
import type { InstanceStatusRow, RouteStatus, ServiceStatus } from '../status/status.ts';

/** The same facts as the JSON, for `curl` and eyes. Names come from the registry: what a terminal would obey is escaped. */

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows.map((row) => row.map(printable))];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** Instances that take requests now, of all. */
function share(service: ServiceStatus | undefined): string {
  if (service === undefined) return '-';
  const taking = service.instances.filter(
    (i) =>
      i.phase === 'serving' && i.health === 'healthy' && (i.status === 'passing' || i.status === 'warning'),
  );
  return `${taking.length}/${service.instances.length}`;
}

/** The route table, one line each. */
export function routesText(routes: readonly RouteStatus[], services: readonly ServiceStatus[]): string {
  const byName = new Map(services.map((service) => [service.service, service]));
  return table(
    ['ROUTE', 'SERVICE', 'LIVE', 'STRIP', 'SOURCE', 'STATE'],
    routes.map((route) => [
      routeName(route),
      route.service,
      share(byName.get(route.service)),
      route.strip ?? '-',
      route.source,
      route.reason === undefined ? route.state : `${route.state}: ${route.reason}`,
    ]),
  );
}

const seconds = (ms: number | undefined): string => (ms === undefined ? '-' : `${(ms / 1000).toFixed(1)}s`);

/** How a service is served, in a few words. */
function settingsText({ balance, settings }: ServiceStatus): string {
  const { hash, sticky, checks } = settings;
  return [
    hash === undefined ? balance : `${balance} by ${hash}`,
    ...(sticky === 'off' ? [] : [`sticky ${sticky}`]),
    ...(checks === 'off' ? [] : [`check ${checks.kind === 'http' ? `http:${checks.path}` : checks.kind}`]),
  ].join(', ');
}

function statusText({ status, held }: InstanceStatusRow): string {
  return held === undefined ? status : `${status} (held ${seconds(held.forMs)}: ${held.probe})`;
}

/**
 * Every instance of every service, one line each; a service without any has a line of its own. Below, what services ask for and can't
 * have.
 */
export function servicesText(services: readonly ServiceStatus[]): string {
  const rows = table(
    [
      'SERVICE',
      'SETTINGS',
      'REGISTRY',
      'AGE',
      'INSTANCE',
      'ADDRESS',
      'STATUS',
      'HEALTH',
      'PHASE',
      'WEIGHT',
      'IN-FLIGHT',
      'TOTAL',
    ],
    services.flatMap((one) => {
      const { service, registry, ageMs, instances, quarantined } = one;
      const own = [service, settingsText(one), registry, seconds(ageMs)];
      const rows = instances.map((i) => [
        ...own,
        i.id,
        formatAuthority(i.address, i.port),
        statusText(i),
        i.check === 'down' ? `${i.health}, check down: ${i.checkReason}` : i.health,
        i.phase,
        String(i.weight),
        String(i.inFlight),
        String(i.total),
      ]);
      const rejected = quarantined.map((q) => [...own, q.id, `not used: ${q.reason}`]);
      return rows.length + rejected.length === 0 ? [[...own, '(none)']] : [...rows, ...rejected];
    }),
  );
  const notes = services.flatMap(({ service, invalidSettings }) =>
    invalidSettings.map(
      ({ setting, allowed }) =>
        `${printable(service)} asks for "${printable(setting)}", which can't be followed; allowed: ${allowed}\n`,
    ),
  );
  return notes.length === 0 ? rows : `${rows}\n${notes.join('')}`;
}
