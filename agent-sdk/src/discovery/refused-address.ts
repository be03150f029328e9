import { BlockList, isIP } from 'node:net';

import { isLoopbackAddress, type ConsulAddress } from './consul-address.ts';

/** Where nothing that registers can be: addresses that reach a cloud's metadata, the machine itself, or many hosts at once. */
const refusedRanges: readonly (readonly [string, BlockList])[] = [
  [
    'a cloud metadata address',
    listOf(
      '169.254.169.254/32 169.254.170.2/32 168.63.129.16/32 100.100.100.200/32 192.0.0.192/32',
      'fd00:ec2::254/128 fd20:ce::254/128 fd00:42::42/128',
    ),
  ],
  ['a link-local address', listOf('169.254.0.0/16 fe80::/10')],
  ['an unspecified address', listOf('0.0.0.0/8 ::/128')],
  ['a multicast address', listOf('224.0.0.0/4 ff00::/8')],
  ['the broadcast address', listOf('255.255.255.255/32')],
  // They lead to an IPv4 address that stands in them at a place which depends on the network, or through another network's tunnel.
  ['a tunnel address (6to4, Teredo)', listOf('2002::/16 2001::/32')],
  ['an address of a local NAT64 prefix (RFC 8215)', listOf('64:ff9b:1::/48')],
];
const loopback = listOf('127.0.0.0/8 ::1/128');
/** Behind another address: translated (RFC 6052), and IPv4-compatible; `::1` is not one of them. */
const embedding = listOf('64:ff9b::/96 ::/96');

function listOf(...ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges.flatMap((line) => line.split(' '))) {
    const [base = '', bits] = range.split('/');
    list.addSubnet(base, Number(bits), base.includes(':') ? 'ipv6' : 'ipv4');
  }
  return list;
}

/** What kind of address it is, for a person, when nothing that registers can be there; `ip` has no zone. Undefined for any other. */
export function refusedKind(ip: string): string | undefined {
  const family = isIP(ip) === 6 ? 'ipv6' : 'ipv4';
  return refusedRanges.find(([, ranges]) => ranges.check(ip, family))?.[0];
}

/**
 * Why an address of the registry is not connected to, for a person; undefined where it may be, and for a host name, whose addresses
 * are judged when it is resolved. Loopback may be only where Consul itself is reached over it.
 */
export function refusedAddress(address: string, consul: ConsulAddress): string | undefined {
  const family = isIP(address);
  if (family === 0) return undefined;
  const kind = family === 6 ? 'ipv6' : 'ipv4';
  if (loopback.check(address, kind)) {
    return isLoopbackAddress(consul)
      ? undefined
      : 'it is a loopback address, and Consul is on another machine';
  }
  const isNowhere = refusedKind(address) !== undefined || (family === 6 && embedding.check(address, kind));
  return isNowhere ? 'nothing that registers can be at this address' : undefined;
}
