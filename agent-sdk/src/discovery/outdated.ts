import type { ReadAnswer } from './registry-client.ts';

/** A server that has not heard of its leader for so long is cut off. In a cluster at peace it is some tens of milliseconds. */
const maxLastContactMs = 10_000;

/**
 * What is wrong with an answer that is older than what is known already, for a person; undefined for any other. It comes from a server that is
 * cut off from its leader (it says so) and has a smaller index. Reads are `stale`, so such servers answer; "newer index wins" then. A
 * registry that was restored or started anew has a smaller index too, but it has a leader.
 */
export function outdated(
  { index, knownLeader, lastContactMs }: Pick<ReadAnswer, 'index' | 'knownLeader' | 'lastContactMs'>,
  believedIndex: string,
): string | undefined {
  const isCutOff = knownLeader === false || (lastContactMs ?? 0) > maxLastContactMs;
  if (!isCutOff || ![index, believedIndex].every((text) => /^\d{1,20}$/u.test(text ?? ''))) return undefined;
  if (BigInt(index ?? 0) >= BigInt(believedIndex)) return undefined;
  const since = lastContactMs === undefined ? '' : ` for ${Math.round(lastContactMs / 1000)} s`;
  return `Consul answers from a server that has had no contact with its leader${since}, and with an older list (index ${index ?? 'none'}).`;
}
