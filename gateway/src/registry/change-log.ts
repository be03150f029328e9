import type { RegistryChange } from './registry.ts';
import { routeName } from '../routing/route.ts';
import type { Log } from '../telemetry/log.ts';
import type { TableLog } from '../telemetry/table-log.ts';

/** Attempts after which an outage that goes on is mentioned again: about once a minute. */
const remindEvery = 6;

/**
 * Tells what the registry says in the log: every change of the table, and one line each when it can't be followed and when it
 * can again. Many services are watched; a Consul that is gone concerns all of them, so only the catalog's watch speaks up, and
 * a service's own when the catalog is fine.
 */
export function createChangeLog(log: Log, tableLog: TableLog): (change: RegistryChange) => void {
  const stale = new Set<string>();
  return (change) => {
    switch (change.kind) {
      case 'instances':
        tableLog.snapshot(change.before, change.after, change.routes.map(routeName));
        break;
      case 'routes':
        tableLog.routes(change.before, change.after);
        break;
      case 'rejected':
        for (const { service, reason, ...route } of change.claims) {
          log.warn(`${service} claims ${routeName(route)} and does not get it: ${reason}`);
        }
        break;
      case 'invalid':
        for (const { invalid, reason } of change.tags) {
          log.warn(`${change.service} has the tag "${invalid}", which can't be followed: ${reason}`);
        }
        break;
      case 'stale': {
        const news = !stale.has(change.of);
        stale.add(change.of);
        const concernsAll = change.of !== 'catalog' && stale.has('catalog');
        if (!concernsAll && (news || change.attempt % remindEvery === 0)) {
          log.warn(`${change.message} Serving the last known instances.`, {
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
