import type { HealthChange, HoldReason, Instance, RegistryFailure } from '@roundhouse/agent-sdk/internal';

import type { RegistryListener } from './registry-listener.ts';
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
 * Writes what the registry says to the log: every change of the table, and one line each when it can't be followed and when it
 * can again. Many services are watched, and a Consul that is gone concerns all of them: the outage is told by the catalog's watch, and by
 * a service's own only while the catalog is live.
 */
export function createChangeLog(log: Log, tableLog: TableLog): RegistryListener {
  /** What is stale, and the failures that it has met since. */
  const stale = new Map<string, Set<RegistryFailure>>();
  return {
    serviceChanged(change) {
      const { service, settings, held, heldBecause = 'removal' } = change;
      for (const { invalid, reason } of change.invalidTags)
        log.warn(`${service} has the tag "${invalid}", which can't be followed: ${reason}`);
      tableLog.service(change.instances, change.routes.map(routeName));
      if (settings !== undefined) log.info(`${service} changed its settings.`, { service });
      for (const { setting, allowed } of change.invalidSettings)
        log.warn(`${service} asks for "${setting}", which can't be followed; allowed: ${allowed}`);
      if (held.length > 0) {
        log.warn(
          `${service}: the registry no longer lists ${names(held)}, ${suspicions[heldBecause]}. ` +
            'They are kept while they answer.',
          { service, instances: held.map(({ id }) => id) },
        );
      }
    },
    tableChanged({ before, after, rejected }) {
      tableLog.routes(before, after);
      for (const { service, reason, ...route } of rejected)
        log.warn(`${service} claims ${routeName(route)} and does not get it: ${reason}`);
    },
    instancesLetGo({ service, instances, reason }) {
      log.warn(`${service}: ${names(instances)} let go: ${reason}.`, { service });
    },
    healthChanged(service, news) {
      tellHealth(log, service, news);
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
      const told = stale.get(watch) ?? new Set();
      const isNew = !told.has(news.failure);
      stale.set(watch, told.add(news.failure));
      const concernsAll = news.of !== 'catalog' && stale.has(`${news.source} catalog`);
      if (!concernsAll && (isNew || news.attempt % remindEvery === 0)) {
        // Consul's other failures pass by themselves; a token that is not allowed to read needs a person.
        const level = news.failure === 'forbidden' ? 'error' : 'warn';
        log[level](`${news.message} Serving the last known instances.`, {
          watch: news.of,
          attempt: news.attempt,
        });
      }
    },
  };
}

/** Why an instance is left out, after "is left out for 1 s:". */
const causes: Readonly<Record<Extract<HealthChange, { kind: 'ejected' }>['because'], string>> = {
  connect_failed: 'it can not be reached, or another process answers there',
  failed: 'it breaks off, is silent or makes no sense',
  gateway_error: 'it answers 502, 503 or 504',
  server_error: 'it still answers errors',
  outlier: 'it answers far more errors than the others',
};

function tellHealth(log: Log, service: string, news: HealthChange): void {
  const { id, address, port } = news.instance;
  const fields = { service, instance: id, address, port };
  if (news.kind === 'recovered') {
    log.info(`${service}: ${id} is used again.`, fields);
  } else {
    const seconds = Math.round(news.lengthMs / 100) / 10;
    log.warn(`${service}: ${id} is left out for ${seconds} s: ${causes[news.because]}.`, fields);
  }
}
