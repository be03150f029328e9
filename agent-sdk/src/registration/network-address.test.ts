import { expect, it } from 'vitest';

import { addressIn, parseNetwork } from './network-address.ts';

const interfaces = {
  lo: [{ address: '127.0.0.1', family: 'IPv4' as const }],
  eth0: [
    { address: 'fe80::1', family: 'IPv6' as const },
    { address: '2001:db8::5', family: 'IPv6' as const },
    { address: '172.17.0.2', family: 'IPv4' as const },
  ],
  eth1: [{ address: '10.20.0.9', family: 'IPv4' as const }],
  eth2: undefined,
};

it.each([
  ['10.0.0.0/8', '10.20.0.9'],
  ['172.16.0.0/12', '172.17.0.2'],
  ['2001:db8::/32', '2001:db8::5'],
  ['0.0.0.0/0', '127.0.0.1'],
  ['eth0', '172.17.0.2'],
  ['eth1', '10.20.0.9'],
  ['eth2', undefined],
  ['eth9', undefined],
  ['192.168.0.0/16', undefined],
  ['fe80::/10', undefined],
])('the address in %s is %s', (text, address) => {
  expect(addressIn(parseNetwork(text)!, interfaces)).toBe(address);
});

it('what is neither a block nor a name is no network', () => {
  for (const text of ['', '10.0.0.0/33', '10.0.0/8', 'x/8', '10.0.0.0/8/8', '::/129', 'a b', 3])
    expect(parseNetwork(text)).toBeUndefined();
});
