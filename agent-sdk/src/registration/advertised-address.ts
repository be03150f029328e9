import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

import type { Setting } from '../discovery/environment.ts';

import { addressIn, type Network } from './network-address.ts';
import { describeError, ServiceError } from './service-error.ts';

/** Where Consul is. The route to it decides which local address is registered. */
export type ConsulPlace =
  { readonly kind: 'tcp'; readonly host: string; readonly port: number } | { readonly kind: 'unix' };

/** What is known when the advertised address is determined. */
export interface AddressSources {
  /** The address that was set, and the setting (`option address`, `ADDRESS`). */
  readonly configured: Setting<string> | undefined;
  /** The network to take the address of, and the setting (`option network`, `ADVERTISED_NETWORK`). */
  readonly network?: Setting<Network> | undefined;
  /** The IP address that the listener is bound to; undefined where the process listens by itself. */
  readonly bound: string | undefined;
  readonly consul: ConsulPlace;
}

/** The local address that packets to this host leave from; rejects when there is no route or no such name. */
export type RouteProbe = (host: string, port: number) => Promise<string>;

/**
 * The address under which others reach this instance: the configured one, else that in a configured network, else the one the listener is bound to, else the local
 * address that the route to Consul uses, which in a container is the container's own. With Consul on loopback that is loopback,
 * good for this machine only. Rejects with `address_refused` when the result could not be reached from where Consul is, and with
 * `address_unresolved` when Consul's name or the route cannot be determined at the moment.
 */
export async function advertisedAddress(facts: AddressSources, probe: RouteProbe): Promise<string> {
  const { configured, bound, consul } = facts;
  if (configured !== undefined) return acceptable(configured, consul, probe);
  if (facts.network !== undefined) return acceptable(ownAddress(facts.network, bound), consul, probe);
  if (bound !== undefined && !isUnspecified(bound))
    return acceptable({ value: bound, origin: 'the host it is bound to' }, consul, probe);
  const local = await localAddress(consul, probe);
  if (isLoopback(local)) return '127.0.0.1';
  if (bound === '0.0.0.0' && isIPv6(local)) {
    throw refused(
      `The way to Consul is IPv6 (from ${local}), but the service listens on 0.0.0.0. Set HOST=:: or ADDRESS.`,
    );
  }
  return local;
}

/** This machine's address in a network. Throws `address_refused` when it has none there, or nothing listens at it. */
function ownAddress(
  { value: network, origin }: Setting<Network>,
  bound: string | undefined,
): Setting<string> {
  const interfaces = networkInterfaces();
  const address = addressIn(network, interfaces);
  if (address === undefined) {
    const there = Object.entries(interfaces).flatMap(([name, all = []]) =>
      all.map((own) => `${own.address} (${name})`),
    );
    throw refused(
      `No address of this machine is in ${network.text} (${origin}); it has ${there.join(', ')}.`,
    );
  }
  if (bound !== undefined && !isUnspecified(bound) && bound !== address)
    throw refused(`${address} is in ${network.text} (${origin}), but the service listens on ${bound} only.`);
  return { value: address, origin };
}

/** Loopback and unspecified addresses lead nowhere from another machine: the gateway would talk to itself. */
async function acceptable(
  { value: address, origin }: Setting<string>,
  consul: ConsulPlace,
  probe: RouteProbe,
): Promise<string> {
  if (isUnspecified(address)) {
    throw refused(
      `${address} (${origin}) is not an address to connect to. Set ADDRESS to one of this machine.`,
    );
  }
  if (isLoopback(address) && !isLoopback(await localAddress(consul, probe))) {
    throw refused(
      `${address} (${origin}) is reachable from this machine only, but Consul is on another one. ` +
        'Set ADDRESS to an address that the gateway can reach, or leave ADDRESS and HOST unset to have it detected.',
    );
  }
  return address;
}

async function localAddress(consul: ConsulPlace, probe: RouteProbe): Promise<string> {
  if (consul.kind === 'unix' || isLoopback(consul.host)) return '127.0.0.1';
  try {
    return await probe(consul.host, consul.port);
  } catch (error) {
    const problem =
      `Cannot tell which local address to register, because there is no way to Consul at ${consul.host} ` +
      `(${describeError(error)}). Set ADDRESS to skip the detection.`;
    throw new ServiceError('address_unresolved', [problem], { cause: error });
  }
}

/** Asks the kernel's routing table by connecting a UDP socket, which sends nothing. */
export const probeRoute: RouteProbe = async (host, port) => {
  const target = await lookup(host);
  const socket = createSocket(target.family === 6 ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(port, target.address, resolve);
    });
    return unmapped(socket.address().address);
  } finally {
    socket.close();
  }
};

/** `::ffff:10.0.0.4` → `10.0.0.4`. */
export function unmapped(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}

/** Whether a host can only be this machine: 127.0.0.0/8, `::1`, `localhost` (RFC 6761 §6.3). */
export function isLoopback(host: string): boolean {
  const bare = unmapped(host.toLowerCase());
  if (isIP(bare) === 0) return bare === 'localhost' || bare.endsWith('.localhost');
  return isIPv4(bare) ? bare.startsWith('127.') : bare === '::1';
}

/** Whether this is a wildcard for binding and no address to connect to. */
export function isUnspecified(address: string): boolean {
  return ['0.0.0.0', '::', '::0'].includes(unmapped(address));
}

function refused(problem: string): ServiceError {
  return new ServiceError('address_refused', [problem]);
}
