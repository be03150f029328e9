import type { ReadAnswer } from './registry-client.ts';

/** A server that has not heard of its leader for so long is cut off. In a cluster at peace it is some tens of milliseconds. */
const maxLastContactMs = 10_000;

/**
 * Whether an answer is older than what is known already: it comes from a server that is cut off from its leader (it says so) and has a
 * smaller index. Reads are `stale`, so such servers answer; "newer index wins" then. A registry that was restored or started anew
 * has a smaller index too, but it has a leader.
 */
export function isOutdated(
  answer: Pick<ReadAnswer, 'index' | 'knownLeader' | 'lastContactMs'>,
  believedIndex: string,
): boolean {
  const cutOff = answer.knownLeader === false || (answer.lastContactMs ?? 0) > maxLastContactMs;
  if (!cutOff || answer.index === undefined || !/^\d{1,20}$/u.test(answer.index)) return false;
  return /^\d{1,20}$/u.test(believedIndex) && BigInt(answer.index) < BigInt(believedIndex);
}

/** Says so, for a person. */
export function outdatedMessage({ index, lastContactMs }: ReadAnswer): string {
  const since = lastContactMs === undefined ? '' : ` for ${Math.round(lastContactMs / 1000)} s`;
  return `Consul answers from a server that has had no contact with its leader${since}, and with an older list (index ${index ?? 'none'}).`;
}
