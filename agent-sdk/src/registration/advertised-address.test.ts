import { describe, expect, it } from 'vitest';

import {
  type AddressSources,
  advertisedAddress,
  isLoopback,
  probeRoute,
  type RouteProbe,
} from './advertised-address.ts';

const remote = { kind: 'tcp', host: '10.0.0.1', port: 8500 } as const;
const local = { kind: 'tcp', host: '127.0.0.1', port: 8500 } as const;
const viaLan: RouteProbe = () => Promise.resolve('10.0.0.4');
const noRoute: RouteProbe = () => Promise.reject(new Error('ENOTFOUND consul'));

const base: AddressSources = { configured: undefined, bound: '::', consul: remote };
const configured = (address: string) => ({ configured: { value: address, origin: 'ADDRESS' } });

describe('advertised address', () => {
  it.each([
    ['the configured one', { ...base, ...configured('web1.internal') }, viaLan, 'web1.internal'],
    ['where the listener is bound to', { ...base, bound: '10.0.0.7' }, viaLan, '10.0.0.7'],
    ['the local end of the route to Consul', base, viaLan, '10.0.0.4'],
    ['loopback with Consul on loopback', { ...base, consul: local }, noRoute, '127.0.0.1'],
    [
      'loopback with Consul on a unix socket',
      { ...base, consul: { kind: 'unix' as const } },
      noRoute,
      '127.0.0.1',
    ],
    [
      'configured loopback with Consul on loopback',
      { ...base, ...configured('127.0.0.2'), consul: local },
      noRoute,
      '127.0.0.2',
    ],
  ])('is %s', async (_title, facts, probe, expected) => {
    expect(await advertisedAddress(facts, probe)).toBe(expected);
  });

  it.each([
    ['configured loopback', { ...base, ...configured('localhost') }],
    ['a listener on loopback', { ...base, bound: '127.0.0.1' }],
    ['0.0.0.0', { ...base, ...configured('0.0.0.0'), consul: local }],
  ])('refuses %s that no other machine can reach, and says what to set', async (_title, facts) => {
    await expect(advertisedAddress(facts, viaLan)).rejects.toMatchObject({
      code: 'address_refused',
      message: expect.stringMatching(/Set ADDRESS/) as string,
    });
  });

  it('refuses an IPv6 route for a listener on IPv4 only', async () => {
    const facts = { ...base, bound: '0.0.0.0' };
    await expect(advertisedAddress(facts, () => Promise.resolve('fd00::4'))).rejects.toMatchObject({
      code: 'address_refused',
    });
  });

  it('is unresolved, not refused, while there is no way to Consul', async () => {
    await expect(advertisedAddress(base, noRoute)).rejects.toMatchObject({ code: 'address_unresolved' });
  });

  it('comes from the routing table of the kernel', async () => {
    expect(await probeRoute('127.0.0.9', 8500)).toMatch(/^127\./);
    await expect(probeRoute('no-such-host.invalid', 8500)).rejects.toThrow();
  });

  it('knows loopback in all its spellings', () => {
    for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost', 'a.localhost', '::ffff:127.0.0.1'])
      expect(isLoopback(host), host).toBe(true);
    for (const host of ['10.0.0.1', '127.example.org', '::2', 'localhost.example.org'])
      expect(isLoopback(host), host).toBe(false);
  });
});
