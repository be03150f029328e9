import type { HealthNews, HoldReason, Instance, RegistryFailure } from '@roundhouse/agent-sdk/internal';

import type { RegistryChange } from './registry.ts';
import { routeName } from '../routing/route.ts';
import type { Log } from '../telemetry/log.ts';
import type { TableLog } from '../telemetry/table-log.ts';

/** Attempts after which an outage that goes on is mentioned again: about once a minute. */
const remindEvery = 100;

/** Why something is held, to stand in a sentence. */
const suspicions: Readonly<Record<HoldReason, string>> = {
  after_failure: 'in its first answer after it could not be read',
  no_leader: 'in an answer without a leader',
  index: 'in an answer whose index did not move on',
  filtered: 'in an answer that an ACL filtered',
  removal: 'all at once and without draining',
};

/** Names of instances in one line of the log; of more than these the number is told. */
const maxNames = 10;

function names(instances: readonly Instance[]): string {
  const shown = instances.slice(0, maxNames).map(({ id }) => id);
  const more = instances.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/**
 * Tells what the registry says in the log: every change of the table, and one line each when it can't be followed and when it
 * can again. Many services are watched; a Consul that is gone concerns all of them, so only the catalog's watch speaks up, and
 * a service's own when the catalog is fine.
 */
export function createChangeLog(log: Log, tableLog: TableLog): (change: RegistryChange) => void {
  /** What is stale, and the failures that it has met since. */
  const stale = new Map<string, Set<RegistryFailure>>();
  return (change) => {
    switch (change.kind) {
      case 'instances':
        tableLog.snapshot(change.before, change.after, change.routes.map(routeName));
        break;
      case 'routes':
        tableLog.routes(change.before, change.after);
        break;
      case 'rejected':
        for (const { service, reason, ...route } of change.claims)
          log.warn(`${service} claims ${routeName(route)} and does not get it: ${reason}`);
        break;
      case 'invalid':
        for (const { invalid, reason } of change.tags)
          log.warn(`${change.service} has the tag "${invalid}", which can't be followed: ${reason}`);
        break;
      case 'held':
        log.warn(
          `${change.service}: the registry no longer lists ${names(change.instances)}, ${suspicions[change.because]}. ` +
            'They are kept while they answer.',
          { service: change.service, instances: change.instances.map(({ id }) => id) },
        );
        break;
      case 'let_go':
        log.warn(`${change.service}: ${names(change.instances)} let go: ${change.reason}.`, {
          service: change.service,
        });
        break;
      case 'health':
        tellHealth(log, change.service, change.news);
        break;
      case 'settings':
        log.info(`${change.service} changed its settings.`, { service: change.service });
        break;
      case 'invalid_settings':
        for (const { setting, allowed } of change.settings)
          log.warn(`${change.service} asks for "${setting}", which can't be followed; allowed: ${allowed}`);
        break;
      case 'adopted':
        log.warn(
          `Consul does not answer. Serving ${change.services.length} services from the table that was saved ` +
            `${Math.round(change.ageMs / 1000)} s ago.`,
        );
        break;
      case 'stale': {
        const told = stale.get(change.of) ?? new Set();
        const isNews = !told.has(change.failure);
        stale.set(change.of, told.add(change.failure));
        const concernsAll = change.of !== 'catalog' && stale.has('catalog');
        if (!concernsAll && (isNews || change.attempt % remindEvery === 0)) {
          // Consul's other failures pass by themselves; a token that is not allowed to read needs a person.
          const level = change.failure === 'forbidden' ? 'error' : 'warn';
          log[level](`${change.message} Serving the last known instances.`, {
            watch: change.of,
            attempt: change.attempt,
          });
        }
        break;
      }
      case 'live':
        stale.delete(change.of);
        if (change.of === 'catalog') log.info('Following the registry again.');
        break;
    }
  };
}

/** Why an instance is left out, after "is left out for 1 s:". */
const causes: Readonly<Record<Extract<HealthNews, { kind: 'ejected' }>['because'], string>> = {
  connect_failed: 'it can not be reached, or somebody else answers there',
  failed: 'it breaks off, is silent or makes no sense',
  gateway_error: 'it answers 502, 503 or 504',
  server_error: 'it still answers errors',
  outlier: 'it answers far more errors than the others',
};

function tellHealth(log: Log, service: string, news: HealthNews): void {
  const { id, address, port } = news.instance;
  const fields = { service, instance: id, address, port };
  if (news.kind === 'recovered') {
    log.info(`${service}: ${id} is used again.`, fields);
  } else {
    const seconds = Math.round(news.lengthMs / 100) / 10;
    log.warn(`${service}: ${id} is left out for ${seconds} s: ${causes[news.because]}.`, fields);
  }
}
