import type { Snapshot } from '@roundhouse/agent-sdk/internal';

import type { Incumbent } from '../../routing/claims.ts';
import type { ServiceRuntime } from '../services/service-runtime.ts';
import { savableSnapshots } from '../services/service-state.ts';
import type { RegistrySource } from '../sources/registry-source.ts';
import type { SavedTable } from './saved-table-format.ts';

/**
 * The saved snapshots that are needed, by service and by the name of their source. A snapshot of an unknown source belongs to
 * the first one.
 */
export function seedsOf(
  saved: SavedTable,
  sources: readonly RegistrySource[],
  isNeeded: (service: string, source: string) => boolean,
): ReadonlyMap<string, ReadonlyMap<string, Snapshot>> {
  const seeds = new Map<string, Map<string, Snapshot>>();
  for (const snapshot of saved.snapshots) {
    const { service, instances } = snapshot;
    const source = sources.find(({ name }) => name === instances[0]?.cluster) ?? sources[0];
    if (source === undefined || !isNeeded(service, source.name)) continue;
    seeds.set(service, (seeds.get(service) ?? new Map<string, Snapshot>()).set(source.name, snapshot));
  }
  return seeds;
}

/** What to save of these services; undefined while one of them is not followed live or holds instances back. */
export function savedTableOf(
  catalog: SavedTable['catalog'],
  services: readonly ServiceRuntime[],
  { owners, nowMs }: { readonly owners: readonly Incumbent[]; readonly nowMs: number },
): SavedTable | undefined {
  const followed = services.filter(({ watch }) => watch.kind !== 'fixed');
  if (followed.some(({ watch, state }) => watch.kind !== 'live' || state.held.rows.size > 0))
    return undefined;
  const snapshots = followed.flatMap(({ state }) => savableSnapshots(state));
  const routes = owners.map(({ route, served, idleSinceMs }) => {
    return { route, served, idleForMs: idleSinceMs === undefined ? 0 : Math.round(nowMs - idleSinceMs) };
  });
  return { catalog, snapshots, routes };
}

/** The owners in a saved table. Whether they still had a live instance after it was saved is not known. */
export function ownersAt({ routes }: SavedTable, savedAtMs: number): readonly Incumbent[] {
  return routes.map(({ route, served, idleForMs }) => ({
    route,
    isClaimed: false,
    served,
    idleSinceMs: savedAtMs - idleForMs,
  }));
}
