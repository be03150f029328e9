import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createAddressPolicy, type AddressFacts } from './address-policy.ts';

const facts: AddressFacts = {
  rules: { allow: [], deny: [], loopback: 'auto' },
  consul: { host: '10.0.0.9', port: 8500 },
  listeners: [
    { host: '0.0.0.0', port: 8080 },
    { host: '127.0.0.1', port: 8081 },
  ],
  localAddresses: ['10.0.0.5', 'fd00::5'],
};

/** A machine where Consul is reached over loopback: a laptop, or an agent beside the gateway. */
const beside: AddressFacts = { ...facts, consul: { host: '127.0.0.1', port: 8500 } };

const verdict = (address: string, port = 3000, of: AddressFacts = facts): string =>
  createAddressPolicy(of).judge(address, port, 'registry') ?? 'believed';

describe('an address policy', () => {
  it.each([
    // Ordinary ones.
    ['10.0.0.4', 'believed'],
    ['192.168.1.20', 'believed'],
    ['172.17.0.3', 'believed'],
    ['100.64.0.7', 'believed'],
    ['203.0.113.9', 'believed'],
    ['fd12:3456::1', 'believed'],
    ['[2001:db8::7]', 'believed'],
    ['api.internal', 'believed'],
    ['api.internal.', 'believed'],
    ['::ffff:10.0.0.4', 'believed'],
    // Metadata, in every spelling that some resolver reads.
    ['169.254.169.254', 'cloud metadata'],
    ['169.254.170.2', 'cloud metadata'],
    ['168.63.129.16', 'cloud metadata'],
    ['100.100.100.200', 'cloud metadata'],
    ['fd00:ec2::254', 'cloud metadata'],
    ['[fd00:ec2::254]', 'cloud metadata'],
    ['FD00:EC2:0:0:0:0:0:254', 'cloud metadata'],
    ['::ffff:169.254.169.254', 'cloud metadata'],
    ['::ffff:a9fe:a9fe', 'cloud metadata'],
    ['::169.254.169.254', 'cloud metadata'],
    ['64:ff9b::169.254.169.254', 'cloud metadata'],
    ['192.0.0.192', 'cloud metadata'],
    ['fd20:ce::254', 'cloud metadata'],
    ['::ffff:0:169.254.169.254', 'cloud metadata'],
    // Addresses that lead somewhere else.
    ['2002:a9fe:a9fe::1', 'tunnel'],
    ['2002:0a00:0001::1', 'tunnel'],
    ['2001:0:4136:e378:8000:63bf:3fff:fdd2', 'tunnel'],
    ['2001::1', 'tunnel'],
    ['fd00::5efe:169.254.169.254', 'ISATAP'],
    ['fe80::200:5efe:10.0.0.1', 'ISATAP'],
    ['64:ff9b:1::a9fe:a9fe', 'local NAT64'],
    ['64:ff9b:1:a9fe:a9:fe00::', 'local NAT64'],
    ['64:ff9b:1:ffff::10.0.0.4', 'local NAT64'],
    ['2001:4860:4860::8888', 'believed'],
    ['2852039166', 'cloud metadata'],
    ['0xa9fea9fe', 'cloud metadata'],
    ['0251.0376.0251.0376', 'cloud metadata'],
    ['0xa9.0xfe.0xa9.0xfe', 'cloud metadata'],
    ['169.254.43518', 'cloud metadata'],
    ['169.16689662', 'cloud metadata'],
    ['169.254.169.254.', 'cloud metadata'],
    // Link-local.
    ['169.254.1.1', 'link-local'],
    ['fe80::1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['[fe80::1%25eth0]', 'link-local'],
    ['febf:ffff::1', 'link-local'],
    // The machine itself, and everybody.
    ['0.0.0.0', 'unspecified'],
    ['0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['::', 'unspecified'],
    ['[::]', 'unspecified'],
    ['::ffff:0.0.0.0', 'unspecified'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.250', 'multicast'],
    ['ff02::1', 'multicast'],
    ['255.255.255.255', 'broadcast'],
    ['::ffff:255.255.255.255', 'broadcast'],
    // Loopback, with Consul on another machine.
    ['127.0.0.1', 'loopback'],
    ['127.9.9.9', 'loopback'],
    ['127.1', 'loopback'],
    ['2130706433', 'loopback'],
    ['0x7f000001', 'loopback'],
    ['017700000001', 'loopback'],
    ['::1', 'loopback'],
    ['[::1]', 'loopback'],
    ['0:0:0:0:0:0:0:1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:7f00:1', 'loopback'],
    ['::127.0.0.1', 'loopback'],
    ['localhost', 'loopback'],
    ['LOCALHOST.', 'loopback'],
    ['api.localhost', 'loopback'],
    ['localhost.localdomain', 'loopback'],
    ['ip6-localhost', 'loopback'],
    // Believable, but not in a form that everybody reads alike.
    ['10.1', 'parsers differ'],
    ['010.0.0.4', 'parsers differ'],
    ['167772164', 'parsers differ'],
  ])('judges %s: %s', (address, expected) => {
    expect(verdict(address)).toContain(expected);
  });

  it('believes loopback when Consul is reached over it, or when told to', () => {
    expect(verdict('127.0.0.1', 3000, beside)).toBe('believed');
    expect(verdict('localhost', 3000, beside)).toBe('believed');
    expect(verdict('::1', 3000, { ...facts, consul: { host: 'localhost', port: 8500 } })).toBe('believed');
    expect(verdict('127.0.0.1', 3000, { ...facts, consul: undefined })).toBe('believed');
    const told = (loopback: 'allow' | 'refuse', of = facts) =>
      verdict('127.0.0.1', 3000, { ...of, rules: { ...of.rules, loopback } });
    expect(told('allow')).toBe('believed');
    expect(told('refuse', beside)).toContain('loopback');
    expect(
      verdict('169.254.169.254', 80, { ...beside, rules: { ...beside.rules, loopback: 'allow' } }),
    ).toContain('metadata');
  });

  it.each([
    ['127.0.0.1', 8080],
    ['127.8.8.8', 8080],
    ['localhost', 8080],
    ['::1', 8080],
    ['10.0.0.5', 8080],
    ['::ffff:10.0.0.5', 8080],
    ['fd00::5', 8080],
    ['127.0.0.1', 8081],
  ])('refuses its own listener at %s port %i, also when the configuration says so', (address, port) => {
    const policy = createAddressPolicy(beside);
    expect(policy.judge(address, port, 'registry')).toContain('this gateway itself');
    expect(policy.judge(address, port, 'config')).toContain('this gateway itself');
  });

  it('takes another port, or another machine, for what it is', () => {
    expect(verdict('10.0.0.5', 8081, beside)).toBe('believed');
    expect(verdict('10.0.0.6', 8080, beside)).toBe('believed');
    expect(verdict('127.0.0.2', 8081, beside)).toBe('believed');
  });

  it.each([22, 25, 3306, 5432, 6379, 8300, 8301, 8302, 8400, 8500, 8501, 8600, 2375, 11211])(
    'refuses port %i of this machine, which is usually not an instance',
    (port) => {
      for (const loopback of ['auto', 'allow'] as const) {
        const of = { ...beside, rules: { ...beside.rules, loopback } };
        for (const address of ['127.0.0.1', '127.8.8.8', 'localhost', '::1', '::ffff:127.0.0.1', '10.0.0.5'])
          expect(verdict(address, port, of)).not.toBe('believed');
      }
      expect(createAddressPolicy(beside).judge('127.0.0.1', port, 'registry')).toBeDefined();
      expect(createAddressPolicy(beside).judgeResolved('127.0.0.1', [port], 'registry')).toBeDefined();
      expect(createAddressPolicy(beside).judge('127.0.0.1', port, 'config')).toBeUndefined();
      expect(verdict('10.0.0.6', port)).toBe('believed');
    },
  );

  it("refuses Consul's own ports on its machine", () => {
    for (const port of [8300, 8301, 8302, 8400, 8501, 8600])
      expect(verdict('10.0.0.9', port)).toContain("Consul's own port");
  });

  it("refuses Consul's own API, by address and by name", () => {
    expect(verdict('10.0.0.9', 8500)).toContain('Consul');
    expect(verdict('::ffff:10.0.0.9', 8500)).toContain('Consul');
    expect(verdict('10.0.0.9', 8080)).toBe('believed');
    expect(verdict('localhost', 8500, beside)).toContain('Consul');
    const named = { ...facts, consul: { host: 'Consul.internal.', port: 8500 } };
    expect(verdict('consul.internal', 8500, named)).toContain('Consul');
    expect(verdict('consul.internal', 80, named)).toBe('believed');
  });

  it('narrows by allow and deny, and widens by neither', () => {
    const rules = {
      allow: ['10.0.0.0/8', '169.254.0.0/16'],
      deny: ['10.9.0.0/16'],
      loopback: 'auto',
    } as const;
    const narrow = (address: string) => verdict(address, 3000, { ...facts, rules });
    expect(narrow('10.1.2.3')).toBe('believed');
    expect(narrow('::ffff:10.1.2.3')).toBe('believed');
    expect(narrow('10.9.2.3')).toContain('addresses.deny');
    expect(narrow('192.168.1.1')).toContain('addresses.allow');
    expect(narrow('fd00::1')).toContain('addresses.allow');
    expect(narrow('169.254.1.1')).toContain('link-local');
  });

  it('leaves the operator alone, but for loops', () => {
    const policy = createAddressPolicy(facts);
    expect(policy.judge('127.0.0.1', 3000, 'config')).toBeUndefined();
    expect(policy.judge('169.254.169.254', 80, 'config')).toBeUndefined();
    expect(policy.judge('10.0.0.9', 8500, 'config')).toBeUndefined();
  });

  it('judges what a name resolves to by every port that is used with it', () => {
    const policy = createAddressPolicy(beside);
    expect(policy.judgeResolved('10.0.0.4', [80], 'registry')).toBeUndefined();
    expect(policy.judgeResolved('127.0.0.1', [80, 8080], 'registry')).toContain('this gateway itself');
    expect(policy.judgeResolved('169.254.169.254', [80], 'registry')).toContain('metadata');
    expect(policy.judgeResolved('fe80::1%eth0', [], 'registry')).toContain('link-local');
    expect(policy.judgeResolved('127.0.0.1', [8080], 'config')).toContain('this gateway itself');
    expect(policy.judgeResolved('nonsense', [80], 'registry')).toContain('no address');
  });

  it('never throws, and refuses IPv4 wherever it is embedded as it refuses it alone', () => {
    const policy = createAddressPolicy(facts);
    fc.assert(
      fc.property(fc.string(), fc.nat(65_535), (text, port) => void policy.judge(text, port, 'registry')),
    );
    fc.assert(
      fc.property(fc.ipV4(), (ip) => {
        const isRefused = policy.judge(ip, 3000, 'registry') !== undefined;
        expect(policy.judge(`::ffff:${ip}`, 3000, 'registry') !== undefined).toBe(isRefused);
        expect(policy.judge(`64:ff9b::${ip}`, 3000, 'registry') !== undefined).toBe(isRefused);
      }),
    );
  });
});
