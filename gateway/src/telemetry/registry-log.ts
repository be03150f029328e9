import type {
  HealthChange,
  HoldReason,
  Instance,
  RegistryFailure,
  SnapshotChange,
} from '@roundhouse/agent-sdk/internal';

import { formatAuthority } from '../config/address.ts';
import type { RegistryListener } from '../registry/registry-listener.ts';
import { routeName, type Route } from '../routing/route.ts';
import type { Log } from './log.ts';

/** Writes what the registry does to the log. */
export interface RegistryLog extends RegistryListener {
  /** Instances and routes that came, went or changed so far, for the metrics. */
  changes(): number;
}

/** Lines written for one change; a first snapshot of thousands is summed up after these. */
const maxLines = 50;
/** Names of instances in one line; of further ones only the number is written. */
const maxNames = 10;
/** An outage is written again after so many attempts: about once a minute. */
const remindEvery = 100;

/** Why something is held, to stand in a sentence. */
const suspicions: Readonly<Record<HoldReason, string>> = {
  after_failure: 'in its first answer after a failure',
  no_leader: 'in an answer without a leader',
  index: 'in an answer whose index did not move on',
  filtered: 'in an answer that an ACL filtered',
  removal: 'all at once and without draining',
};

/** Why an instance is ejected, after "ejected for 1 s:". */
const causes: Readonly<Record<Extract<HealthChange, { kind: 'ejected' }>['because'], string>> = {
  connect_failed: 'it can not be reached, or another process answers at its address',
  failed: 'it breaks connections off, does not respond, or its responses are invalid',
  gateway_error: 'it responds with 502, 503 or 504',
  server_error: 'it still responds with errors',
  outlier: 'it responds with far more errors than the others',
};

/** Given the lines of each change of the route table; claims that were rejected with it start with `!`. */
export type TableLines = (lines: readonly string[]) => void;

/**
 * See {@link RegistryLog}. Many services are watched, and an outage of Consul concerns all of them: it is written for the catalog's
 * watch, and for a service's own watch only while the catalog is live.
 */
export function createRegistryLog(log: Log, tableLines: TableLines = () => undefined): RegistryLog {
  let total = 0;
  /** Watches that are stale, and the failures of each since it was live. */
  const stale = new Map<string, Set<RegistryFailure>>();

  const writeAll = (lines: readonly string[]): void => {
    total += lines.length;
    for (const line of lines.slice(0, maxLines)) {
      if (line.startsWith('!')) log.warn(line);
      else log.info(line);
    }
    if (lines.length > maxLines) log.info(`… and ${lines.length - maxLines} more changes`);
  };

  return {
    changes: () => total,
    serviceChanged({ service, instances, routes, settings, held, ...change }) {
      for (const { invalid, reason } of change.invalidTags)
        log.warn(`${service}: ignored the invalid tag "${invalid}": ${reason}`);
      writeAll(snapshotLines(instances, routes.map(routeName)));
      if (settings !== undefined) log.info(`${service}: the settings changed.`, { service });
      for (const { setting, allowed } of change.invalidSettings)
        log.warn(`${service}: ignored the invalid setting "${setting}"; allowed: ${allowed}`);
      if (held.length > 0) {
        const suspicion = suspicions[change.heldBecause ?? 'removal'];
        log.warn(
          `${service}: the registry no longer lists ${names(held)}, ${suspicion}. The gateway keeps them while they answer.`,
          { service, instances: held.map(({ id }) => id) },
        );
      }
    },
    tableChanged({ before, after, rejected }) {
      const changed = routeLines(before, after);
      const refused = rejected.map(
        ({ service, reason, ...route }) =>
          `${service}: the claim on ${routeName(route)} is rejected: ${reason}`,
      );
      writeAll(changed);
      for (const line of refused) log.warn(line);
      tableLines([...changed, ...refused.map((line) => `! ${line}`)]);
    },
    servicesRefused(refused) {
      const shown = refused.slice(0, maxNames).map((name) => JSON.stringify(name));
      const more = refused.length - shown.length;
      log.warn(
        `The catalog names services that are not followed, because the name is empty, over 512 characters, a dot or not plain text: ` +
          `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}.`,
      );
    },
    instancesLetGo({ service, instances, reason }) {
      log.warn(`${service}: dropped ${names(instances)}: ${reason}.`, { service });
    },
    healthChanged(service, change) {
      writeHealth(log, service, change);
    },
    noticed({ message }) {
      log.warn(message);
    },
    savedTableAdopted(services, ageMs) {
      log.warn(
        `Consul does not answer. Serving ${services.length} services from the table that was saved ` +
          `${Math.round(ageMs / 1000)} s ago.`,
      );
    },
    watchChanged(news) {
      const watch = `${news.source} ${news.of}`;
      if (news.kind === 'live') {
        stale.delete(watch);
        if (news.of === 'catalog') log.info('Following the registry again.');
        return;
      }
      const failures = stale.get(watch) ?? new Set();
      const isNew = !failures.has(news.failure);
      stale.set(watch, failures.add(news.failure));
      const concernsAll = news.of !== 'catalog' && stale.has(`${news.source} catalog`);
      if (concernsAll || !(isNew || news.attempt % remindEvery === 0)) return;
      // Consul's other failures pass by themselves; a token without the right to read has to be replaced.
      const level = news.failure === 'forbidden' ? 'error' : 'warn';
      const fields = { watch: news.of, attempt: news.attempt };
      log[level](`${news.message} Serving the last known instances.`, fields);
    },
  };
}

function writeHealth(log: Log, service: string, change: HealthChange): void {
  const { id, address, port } = change.instance;
  const fields = { service, instance: id, address, port };
  switch (change.kind) {
    case 'recovered':
      log.info(`${service}: ${id} is used again.`, fields);
      return;
    case 'ejected': {
      const seconds = Math.round(change.lengthMs / 100) / 10;
      log.warn(`${service}: ${id} is ejected for ${seconds} s: ${causes[change.because]}.`, fields);
      return;
    }
    case 'silent':
      log.warn(
        `${service}: ${id} is silent: it owes responses and does not answer when it is asked. It gets no new requests until it speaks.`,
        { ...fields, waiting: change.waiting },
      );
      return;
    case 'speaks':
      log.info(`${service}: ${id} speaks again.`, fields);
  }
}

function names(instances: readonly Instance[]): string {
  const shown = instances.slice(0, maxNames).map(({ id }) => id);
  const more = instances.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

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

/** What is written of a route. */
export type LoggedRoute = Pick<Route, 'host' | 'prefix' | 'service' | 'source'>;

/** One line for each route that came, went or leads elsewhere now. */
export function routeLines(before: readonly LoggedRoute[], after: readonly LoggedRoute[]): readonly string[] {
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
