import { BlockList, isIP } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';

/** Which of a machine's addresses: those in a CIDR block, or those of an interface. `text`: as it was written. */
export interface Network {
  readonly text: string;
  /** Whether an address, which an interface has, is one of them. */
  readonly has: (address: string, interfaceName: string) => boolean;
}

/** A network as people write it; undefined for what is neither a CIDR block nor the name of an interface. */
export function parseNetwork(value: unknown): Network | undefined {
  if (typeof value !== 'string' || !/^[\w.:@/-]{1,64}$/u.test(value)) return undefined;
  const [address = '', bits, ...more] = value.split('/');
  if (bits === undefined) return { text: value, has: (_address, name) => name === value };
  const family = isIP(address);
  if (family === 0 || more.length > 0 || !/^\d{1,3}$/u.test(bits) || Number(bits) > (family === 6 ? 128 : 32))
    return undefined;
  const block = new BlockList();
  block.addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4');
  return { text: value, has: (own) => block.check(own, isIP(own) === 6 ? 'ipv6' : 'ipv4') };
}

/** The address of this machine in a network: IPv4 before IPv6, none that is good for one link only. Undefined: it has none there. */
export function addressIn(
  network: Network,
  interfaces: Readonly<
    Record<string, readonly Pick<NetworkInterfaceInfo, 'address' | 'family'>[] | undefined>
  >,
): string | undefined {
  const own = Object.entries(interfaces).flatMap(([name, addresses = []]) =>
    addresses.filter(({ address }) => network.has(address, name) && !/^fe[89ab]/iu.test(address)),
  );
  return (own.find(({ family }) => family === 'IPv4') ?? own[0])?.address;
}
