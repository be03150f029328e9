import { describe, expect, it } from 'vitest';

import type { ConsulAddress } from './consul-address.ts';
import { refusedAddress } from './refused-address.ts';

const consul = (host: string): ConsulAddress => ({
  kind: 'tcp',
  scheme: 'http',
  host,
  port: 8500,
  pathPrefix: '',
});

describe('refusedAddress', () => {
  it.each([['10.0.0.7', '::ffff:10.0.0.7', 'fd00::7', '2001:db8::1', 'gateway.internal']])(
    'takes %s and the like',
    (...addresses) => {
      for (const address of addresses)
        expect(refusedAddress(address, consul('10.0.0.1')), address).toBeUndefined();
    },
  );

  it.each([
    ['a metadata service', ['169.254.169.254', '::ffff:169.254.169.254', '168.63.129.16', 'fd00:ec2::254']],
    ['a translation', ['64:ff9b::a9fe:a9fe', '64:ff9b:1::1', '2002:a9fe:a9fe::1', '2001::1', '::10.0.0.7']],
    ['everybody', ['0.0.0.0', '::', '224.0.0.1', 'ff02::1', '255.255.255.255', 'fe80::1']],
  ])('refuses %s', (_what, addresses) => {
    for (const address of addresses)
      expect(refusedAddress(address, consul('127.0.0.1')), address).toBeDefined();
  });

  it.each(['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1'])('takes %s only beside Consul', (address) => {
    expect(refusedAddress(address, consul('localhost'))).toBeUndefined();
    expect(refusedAddress(address, { kind: 'unix', path: '/consul.sock' })).toBeUndefined();
    expect(refusedAddress(address, consul('10.0.0.1'))).toBeDefined();
  });
});
