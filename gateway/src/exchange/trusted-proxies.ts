import ipaddr from 'ipaddr.js';

/** Whether a peer's own word about the client is believed. */
export type TrustsPeer = (address: string) => boolean;

/**
 * The peers inside any of the CIDR ranges; undefined without ranges. The configuration has validated the ranges. Answers are remembered
 * for a while.
 */
export function createTrust(ranges: readonly string[]): TrustsPeer | undefined {
  if (ranges.length === 0) return undefined;
  const parsed = ranges.map((range) => ipaddr.parseCIDR(range));
  const known = new Map<string, boolean>();
  return (address) => {
    const remembered = known.get(address);
    if (remembered !== undefined) return remembered;
    if (known.size >= 1024) known.clear();
    const answer = ipaddr.isValid(address) && contains(parsed, ipaddr.process(address));
    known.set(address, answer);
    return answer;
  };
}

type Address = ReturnType<typeof ipaddr.process>;

function contains(ranges: readonly ReturnType<typeof ipaddr.parseCIDR>[], address: Address): boolean {
  return ranges.some((range) => range[0].kind() === address.kind() && address.match(range));
}
