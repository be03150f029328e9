import type { Instance, SnapshotChange } from '@roundhouse/agent-sdk/internal';

import { formatAuthority } from '../config/address.ts';
import { routeName } from '../routing/route.ts';
import type { Log } from './log.ts';

/** What the log needs to know of a route. */
export interface TableRoute {
  readonly host: string | undefined;
  readonly prefix: string;
  readonly service: string;
  readonly source: 'config' | 'default' | 'registry';
}

/** `10.0.0.4:41823`, `[fd00::1]:80`. */
const address = (instance: Instance): string => formatAuthority(instance.address, instance.port);

/** `api-service x7k2 10.0.0.4:41823`: the service's name at the start of an id is left out. */
function who(instance: Instance): string {
  const { service, id } = instance;
  const short = id.startsWith(`${service}-`) ? id.slice(service.length + 1) : id;
  return `${service} ${short} ${address(instance)}`;
}

function whatChanged(before: Instance, after: Instance): string {
  const changes = [
    before.status === after.status ? [] : [`${before.status} → ${after.status}`],
    address(before) === address(after) ? [] : [`was ${address(before)}`],
    before.weight === after.weight ? [] : [`weight ${before.weight} → ${after.weight}`],
  ].flat();
  return changes.length === 0 ? 'tags or meta changed' : changes.join(', ');
}

/** One line for each instance that came (`+`), went (`-`) or changed (`~`), and for each record that is not used (`!`). */
export function snapshotLines(
  { before, after, added, removed, updated }: SnapshotChange,
  routes: readonly string[],
): readonly string[] {
  const to = routes.length === 0 ? '(no route)' : `→ ${routes.join(', ')}`;
  const known = new Set(before?.quarantined.map((r) => `${r.node} ${r.id} ${r.reason}`));
  return [
    ...added.map((i) => `+ ${who(i)} ${to}${i.status === 'passing' ? '' : ` (${i.status})`}`),
    ...removed.map((i) => `- ${who(i)}`),
    ...updated.map((c) => `~ ${who(c.after)} ${whatChanged(c.before, c.after)}`),
    ...after.quarantined
      .filter((r) => !known.has(`${r.node} ${r.id} ${r.reason}`))
      .map((r) => `! ${after.service} ${r.id} on ${r.node} is not used: ${r.reason}`),
  ];
}

/** One line for each route that came, went or leads elsewhere now. */
export function routeLines(before: readonly TableRoute[], after: readonly TableRoute[]): readonly string[] {
  const old = new Map(before.map((route) => [routeName(route), route]));
  const kept = new Set(after.map(routeName));
  return [
    ...after.flatMap((route) => {
      const name = routeName(route);
      const was = old.get(name);
      if (was === undefined) return [`+ route ${name} → ${route.service} (${route.source})`];
      return was.service === route.service
        ? []
        : [`~ route ${name} ${was.service} → ${route.service} (${route.source})`];
    }),
    ...before.flatMap((route) =>
      kept.has(routeName(route)) ? [] : [`- route ${routeName(route)} → ${route.service}`],
    ),
  ];
}

/** Writes every change of the routing table. */
export interface TableLog {
  /** The instances of a service have changed; `routes` are the names of those that lead to it. */
  service(change: SnapshotChange, routes: readonly string[]): void;
  /** The route table was replaced. */
  routes(before: readonly TableRoute[], after: readonly TableRoute[]): void;
  /** How many changes there were so far, for the metrics. */
  changes(): number;
}

/** Lines written for one change; a first snapshot of thousands is summed up after these. */
const maxLines = 50;

/** See {@link TableLog}. */
export function createTableLog(log: Log): TableLog {
  let total = 0;
  const writeAll = (lines: readonly string[]): void => {
    total += lines.length;
    for (const line of lines.slice(0, maxLines)) {
      if (line.startsWith('!')) log.warn(line);
      else log.info(line);
    }
    if (lines.length > maxLines) log.info(`… and ${lines.length - maxLines} more changes`);
  };
  return {
    service: (change, routes) => {
      writeAll(snapshotLines(change, routes));
    },
    routes: (before, after) => {
      writeAll(routeLines(before, after));
    },
    changes: () => total,
  };
}
