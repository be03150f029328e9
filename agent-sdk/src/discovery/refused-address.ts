import { BlockList, isIP } from 'node:net';

import { isLoopbackAddress, type ConsulAddress } from './consul-address.ts';

/**
 * Ranges where nothing that registers can be: addresses that reach a cloud's metadata, the machine itself, all machines, or another
 * address behind a translation (RFC 6052, RFC 8215, 6to4, Teredo).
 */
const nowhere = listOf([
  '0.0.0.0/8 169.254.0.0/16 168.63.129.16/32 100.100.100.200/32 224.0.0.0/4 255.255.255.255/32',
  'fe80::/10 fd00:ec2::254/128 ff00::/8 64:ff9b::/96 64:ff9b:1::/48 2002::/16 2001::/32',
]);
const loopback = listOf(['127.0.0.0/8 ::1/128']);
/** `::` and IPv4-compatible addresses; `::1` is not one of them. */
const compatible = listOf(['::/96']);

function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges.flatMap((line) => line.split(' '))) {
    const [base = '', bits] = range.split('/');
    list.addSubnet(base, Number(bits), base.includes(':') ? 'ipv6' : 'ipv4');
  }
  return list;
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
  const isNowhere = nowhere.check(address, kind) || (family === 6 && compatible.check(address, kind));
  return isNowhere ? 'nothing that registers can be at this address' : undefined;
}
