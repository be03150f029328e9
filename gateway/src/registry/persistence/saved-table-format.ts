import {
  asObject,
  type Catalog,
  catalogFromAnswer,
  type Instance,
  isInvalidRouteTag,
  parseRouteTag,
  type ReadAnswer,
  routeTag,
  type Snapshot,
  snapshotFromAnswer,
} from '@roundhouse/agent-sdk/internal';

import type { Route } from '../../routing/route.ts';

/** The data that a gateway needs to serve without its registry. */
export interface SavedTable {
  readonly catalog: Catalog;
  readonly snapshots: readonly Snapshot[];
  /** Routes that came from the registry, and built-in ones, with their owners. */
  readonly routes: readonly SavedRoute[];
}

/** An owner of a route. */
export interface SavedRoute {
  readonly route: Route;
  /** Whether it has answered a request. */
  readonly served: boolean;
  /** For how long it had no live instance; 0 when it had. */
  readonly idleForMs: number;
}

/** A table that was read, or a readable description of the file's problem. */
export type SavedTableReading =
  | {
      readonly kind: 'table';
      readonly table: SavedTable;
      readonly savedAtMs: number;
      readonly leftOut: number;
    }
  | { readonly kind: 'invalid'; readonly problem: string };

const version = 1;

/**
 * The text of a saved table in pieces, one for each service, so that writing thousands of instances never blocks for long. Instances
 * are saved in Consul's form, so that the decoder of Consul's answers also checks the file.
 */
export function* formatSavedTable(table: SavedTable, savedAtMs: number): Generator<string, void, undefined> {
  const { catalog } = table;
  const head = {
    version,
    savedAtMs,
    catalog: { index: catalog.index, services: catalog.services },
    routes: table.routes.map(({ route, served, idleForMs }) => {
      const { service, tag = routeTag(route), source } = route;
      return { service, tag, source: source === 'default' ? source : undefined, served, idleForMs };
    }),
  };
  yield `${JSON.stringify(head).slice(0, -1)},\n"services":[`;
  let separator = '\n';
  for (const { service, index, instances } of table.snapshots) {
    const cluster = instances[0]?.cluster ?? 'default';
    yield `${separator}${JSON.stringify({ service, index, cluster, records: instances.map(recordOf) })}`;
    separator = ',\n';
  }
  yield '\n]}\n';
}

/** Reads what {@link formatSavedTable} wrote, as strictly as an answer of Consul. `tagPrefix`: see `parseRouteTag`. Invalid entries are left out and counted. */
export function readSavedTable(text: string, tagPrefix?: string): SavedTableReading {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'invalid', problem: 'it is not JSON; it may have been cut off' };
  }
  const file = asObject(value);
  if (file?.['version'] !== version)
    return { kind: 'invalid', problem: `it is not a table of version ${version}` };
  const savedAtMs = file['savedAtMs'];
  const { routes, services } = file;
  if (typeof savedAtMs !== 'number' || !Array.isArray(routes) || !Array.isArray(services))
    return { kind: 'invalid', problem: 'a part of it is missing' };
  const catalog = readCatalog(file['catalog']);
  if (catalog === undefined) return { kind: 'invalid', problem: 'its catalog makes no sense' };
  const snapshots = services.map(readService);
  const known = routes.map((route) => readRoute(route, tagPrefix));
  const good = snapshots.filter((snapshot) => snapshot !== undefined);
  const leftOut =
    snapshots.length -
    good.length +
    known.filter((route) => route === undefined).length +
    good.reduce((count, { quarantined }) => count + quarantined.length, 0);
  const table = { catalog, snapshots: good, routes: known.filter((route) => route !== undefined) };
  return { kind: 'table', table, savedAtMs, leftOut };
}

/** An instance as `/v1/health/service` would list it. */
function recordOf(instance: Instance): unknown {
  const check =
    instance.status === 'draining'
      ? { CheckID: `_service_maintenance:${instance.id}`, Status: 'critical' }
      : { CheckID: 'saved', Status: instance.status };
  return {
    Node: { Node: instance.node, Address: instance.address },
    Service: {
      ID: instance.id,
      Service: instance.service,
      Address: instance.address,
      Port: instance.port,
      Tags: instance.tags,
      Meta: instance.meta,
      Weights: { Passing: instance.weight, Warning: instance.weight },
      CreateIndex: instance.createIndex,
    },
    Checks: [check],
  };
}

function readCatalog(value: unknown): Catalog | undefined {
  const catalog = asObject(value);
  return believed(() => catalogFromAnswer(answerOf(catalog?.['services'], catalog?.['index'])));
}

function readService(value: unknown): Snapshot | undefined {
  const saved = asObject(value);
  const service = saved?.['service'];
  const cluster = saved?.['cluster'];
  if (typeof service !== 'string' || typeof cluster !== 'string' || !/^[\w.-]{1,128}$/.test(cluster))
    return undefined;
  return believed(() =>
    snapshotFromAnswer(answerOf(saved?.['records'], saved?.['index']), { service, cluster }),
  );
}

/** A file without `served` and `idleForMs` is one of an older gateway, whose owners kept what they had. */
function readRoute(value: unknown, tagPrefix: string | undefined): SavedRoute | undefined {
  const { service, tag, source, served = true, idleForMs = 0 } = asObject(value) ?? {};
  if (typeof service !== 'string' || typeof tag !== 'string') return undefined;
  if (typeof served !== 'boolean' || typeof idleForMs !== 'number' || !(idleForMs >= 0)) return undefined;
  const claim = parseRouteTag(tag, tagPrefix);
  if (claim === undefined || isInvalidRouteTag(claim)) return undefined;
  const { host, prefix, strip } = claim;
  const origin =
    source === 'default' ? ({ tag: undefined, source } as const) : ({ tag, source: 'registry' } as const);
  return { route: { host, prefix, service, strip, timeouts: {}, ...origin }, served, idleForMs };
}

function answerOf(body: unknown, index: unknown): ReadAnswer {
  const known = { knownLeader: undefined, lastContactMs: undefined, filteredByAcl: false };
  return { body, index: typeof index === 'string' ? index : undefined, ...known };
}

/** The decoders throw only when the whole input is malformed. */
function believed<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}
