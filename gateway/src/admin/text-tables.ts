import { formatAuthority } from '../config/address.ts';
import { routeName } from '../routing/route.ts';
import { printable } from '../telemetry/printable.ts';
import type { InstanceStatusRow, RouteStatus, ServiceCounts, ServiceStatus } from '../status/status.ts';

/** The same facts as the JSON, for `curl` and eyes. Names come from the registry: what a terminal would obey is escaped. */

/** The lines of a table. While the rows are read, for the widths of the columns, it gives empty texts. */
export function* table(head: readonly string[], rows: Iterable<readonly string[]>): Generator<string> {
  const all = [head];
  const widths = head.map(({ length }) => length);
  for (const row of rows) {
    const cells = row.map(printable);
    cells.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, cell.length)));
    all.push(cells);
    yield '';
  }
  for (const row of all) {
    const cells = head.map((_, column) => (row[column] ?? '').padEnd(widths[column] ?? 0));
    yield `${cells.join('  ').trimEnd()}\n`;
  }
}

/** The route table, one line each. */
export function routesText(
  routes: readonly RouteStatus[],
  services: readonly ServiceCounts[],
): Generator<string> {
  const byName = new Map(services.map((service) => [service.service, service]));
  const share = (service: string): string => {
    const counts = byName.get(service);
    return counts === undefined ? '-' : `${counts.taking}/${counts.total}`;
  };
  return table(
    ['ROUTE', 'SERVICE', 'LIVE', 'STRIP', 'SOURCE', 'STATE'],
    routes.map((route) => [
      routeName(route),
      route.service,
      share(route.service),
      route.strip ?? '-',
      route.source,
      stateText(route),
    ]),
  );
}

function stateText({ state, reason, rivals, idleForMs = 0, forgottenInMs = 0 }: RouteStatus): string {
  if (reason !== undefined) return `${state}: ${reason}`;
  const what =
    state === 'remembered'
      ? `remembered: no instance for ${duration(idleForMs)}, forgotten in ${duration(forgottenInMs)}`
      : state;
  return rivals.length === 0 ? what : `${what}; also claimed by ${rivals.join(', ')}`;
}

/** In the two largest units: `3 h 12 min`, `5 min 2 s`. */
function duration(ms: number): string {
  const s = Math.round(ms / 1_000);
  const minutes = Math.floor(s / 60);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min ${s % 60} s` : `${s} s`;
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
export function* servicesText(services: readonly ServiceStatus[]): Generator<string> {
  yield* table(
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
    serviceRows(services),
  );
  let before = '\n';
  for (const { service, invalidSettings } of services) {
    for (const { setting, allowed } of invalidSettings) {
      yield `${before}${printable(service)} asks for "${printable(setting)}", which can't be followed; allowed: ${allowed}\n`;
      before = '';
    }
  }
}

function* serviceRows(services: readonly ServiceStatus[]): Generator<readonly string[]> {
  for (const one of services) {
    const { service, registry, ageMs, instances, quarantined } = one;
    const own = [service, settingsText(one), registry, seconds(ageMs)];
    let rows = quarantined.length;
    for (const i of instances) {
      rows += 1;
      yield [
        ...own,
        i.id,
        formatAuthority(i.address, i.port),
        statusText(i),
        i.check === 'down' ? `${i.health}, check down: ${i.checkReason}` : i.health,
        i.phase,
        String(i.weight),
        String(i.inFlight),
        String(i.total),
      ];
    }
    for (const { id, reason } of quarantined) yield [...own, id, `not used: ${reason}`];
    if (rows === 0) yield [...own, '(none)'];
  }
}
