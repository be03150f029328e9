import type { Snapshot } from '@roundhouse/agent-sdk/internal';

import type { FollowedService } from './followed-service.ts';
import type { ServiceView } from './registry-contract.ts';

/** A service as others see it: values of now. */
export function viewOf(known: FollowedService): ServiceView {
  const { service, upstream, snapshot, watch, settings, claims, invalidSettings, held } = known;
  const invalidTags = claims.invalid;
  const rows = [...held.rows.values()];
  return { service, upstream, snapshot, watch, settings, invalidTags, invalidSettings, held: rows };
}

/** The snapshots of all services from the registry, or undefined while one of them is stale or holds anything. */
export function goodSnapshots(services: Iterable<FollowedService>): readonly Snapshot[] | undefined {
  const followed = [...services].filter(({ watch }) => watch.kind !== 'fixed');
  const isGood = followed.every(({ watch, held }) => watch.kind === 'live' && held.rows.size === 0);
  return isGood ? followed.flatMap(({ snapshot }) => snapshot ?? []) : undefined;
}
