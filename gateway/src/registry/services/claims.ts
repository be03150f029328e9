import {
  type InvalidRouteTag,
  isInvalidRouteTag,
  parseRouteTag,
  type RouteClaim,
  type Snapshot,
} from '@roundhouse/agent-sdk/internal';

import type { ServiceClaim } from '../../routing/claims.ts';

/** The route claims of the instances of one service. */
export interface ServiceClaims {
  readonly claims: readonly ServiceClaim[];
  readonly invalid: readonly InvalidRouteTag[];
}

export const noClaims: ServiceClaims = { claims: [], invalid: [] };

/**
 * A service that claims more routes than this is misconfigured or hostile. The oldest claims are followed, so that one bad record costs its
 * siblings nothing; the status shows the rest as invalid.
 */
const maxClaimsPerService = 1000;

/** Reads the route tags of a snapshot, which begin with `tagPrefix`. Each tag gives one claim, with its number of instances and the earliest registration. */
export function claimsOf(snapshot: Snapshot, tagPrefix?: string): ServiceClaims {
  const claims = new Map<string, { claim: RouteClaim; serving: number; since: number }>();
  const invalid = new Map<string, InvalidRouteTag>();
  for (const instance of snapshot.instances) {
    const serves = instance.status === 'passing' || instance.status === 'warning' ? 1 : 0;
    for (const tag of instance.tags) {
      if (invalid.has(tag)) continue;
      const known = claims.get(tag);
      if (known !== undefined) {
        known.serving += serves;
        known.since = Math.min(known.since, instance.createIndex);
        continue;
      }
      const reading = parseRouteTag(tag, tagPrefix);
      if (reading === undefined) continue;
      if (isInvalidRouteTag(reading)) invalid.set(tag, reading);
      else claims.set(tag, { claim: reading, serving: serves, since: instance.createIndex });
    }
  }
  if (claims.size > maxClaimsPerService) {
    const reason = `the service claims more than ${maxClaimsPerService} routes`;
    const newest = [...claims].sort(([, a], [, b]) => a.since - b.since).slice(maxClaimsPerService);
    for (const [tag] of newest) {
      claims.delete(tag);
      invalid.set(tag, { invalid: tag, reason });
    }
  }
  return {
    claims: [...claims.values()].map((claim) => ({ service: snapshot.service, ...claim })),
    invalid: [...invalid.values()],
  };
}

/** Whether two readings would give the same routes. */
export function sameClaims(a: ServiceClaims, b: ServiceClaims): boolean {
  return (
    a.claims.length === b.claims.length &&
    a.invalid.length === b.invalid.length &&
    a.claims.every((claim, index) => {
      const other = b.claims[index];
      return (
        claim.claim.tag === other?.claim.tag && claim.serving === other.serving && claim.since === other.since
      );
    }) &&
    a.invalid.every((row, index) => row.invalid === b.invalid[index]?.invalid)
  );
}
