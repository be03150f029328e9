import { refusedKind } from '@roundhouse/agent-sdk/internal';
import ipaddr from 'ipaddr.js';

import type { AddressRules } from '../../config/gateway-config.ts';

/** What is known when addresses are judged. Plain values. */
export interface AddressFacts {
  readonly rules: AddressRules;
  /** Where Consul's API is reached; undefined over a unix socket. */
  readonly consul: { readonly host: string; readonly port: number } | undefined;
  /** Our own listeners, as they are bound. */
  readonly listeners: readonly { readonly host: string; readonly port: number }[];
  /** Every address of this machine: a listener on a wildcard answers at each of them. */
  readonly localAddresses: readonly string[];
}

/** The origin of an address. `config`: the operator; such an address is only checked for loops. */
export type AddressSource = 'registry' | 'config';

/** Judges where instances may be. Immutable: a new one is made when the facts change. */
export interface AddressPolicy {
  /**
   * Why an instance at this address is not believed, for a person, or undefined. A host name is judged by what it says itself; what it
   * resolves to is judged by {@link AddressPolicy.judgeResolved}.
   */
  judge(address: string, port: number, source: AddressSource): string | undefined;
  /** The same for what a host name resolved to, when instances of that name listen on `ports`. */
  judgeResolved(address: string, ports: readonly number[], source: AddressSource): string | undefined;
}

type Ip = ipaddr.IPv4 | ipaddr.IPv6;
type Range = readonly [Ip, number];

const range = (text: string): Range => ipaddr.parseCIDR(text);

const loopback: readonly Range[] = ['127.0.0.0/8', '::1/128'].map(range);

/**
 * IPv6 ranges whose last 32 bits are an IPv4 address that the packet may end up at: mapped, translated (RFC 6052, RFC 2765) and
 * compatible.
 */
const embedding: readonly Range[] = ['::ffff:0:0/96', '64:ff9b::/96', '::ffff:0:0:0/96', '::/96'].map(range);

/** Consul's usual ports: RPC, gossip, the old RPC, HTTP, HTTPS, gRPC, DNS (its reference: "Required ports"). */
const consulPorts: readonly number[] = [8300, 8301, 8302, 8400, 8500, 8501, 8502, 8503, 8600];

/**
 * Ports on which this machine usually has something else than an instance: what speaks another protocol, or hands out the machine. Remote
 * shells, mail, names, files; data stores and queues; Docker, etcd, Kubernetes, Nomad, Vault, Consul. None is in the range from which the SDK
 * draws.
 */
const portsOfOthers: ReadonlySet<number> = new Set(
  [
    21, 22, 23, 25, 53, 69, 110, 111, 123, 135, 139, 143, 161, 179, 389, 445, 465, 514, 515, 587, 631, 636,
    873, 990, 993, 995, 1433, 1521, 2049, 2181, 2375, 2376, 2377, 2379, 2380, 3306, 3389, 4222, 4646, 4647,
    4648, 5432, 5672, 5900, 6379, 6380, 6443, 8200, 8201, 9042, 9092, 9200, 9300, 10250, 10255, 11211, 15672,
    16379,
  ].concat(consulPorts),
);

/** Names that mean this machine without being resolved (RFC 6761 §6.3, /etc/hosts of the usual distributions). */
const loopbackName = /^(?:(?:.*\.)?localhost|localhost\.localdomain|ip6-localhost|ip6-loopback)$/;

/** A policy for these facts. The ranges in `rules` are valid (the configuration checks them). */
export function createAddressPolicy(facts: AddressFacts): AddressPolicy {
  const allow = facts.rules.allow.map(range);
  const deny = facts.rules.deny.map(range);
  const local = facts.localAddresses.flatMap((text) => parseIp(plainHost(text)) ?? []);
  const consulHost = facts.consul === undefined ? undefined : plainHost(facts.consul.host);
  const consulIsLocal =
    consulHost === undefined || loopbackName.test(consulHost) || isIn(parseIp(consulHost), loopback);
  const loopbackIsBelieved =
    facts.rules.loopback === 'allow' || (facts.rules.loopback === 'auto' && consulIsLocal);

  /** Whether a listener or API at `host` is reached by connecting to `ip`. */
  const reaches = (host: string, ip: Ip): boolean => {
    const plain = plainHost(host);
    if (loopbackName.test(plain)) return isIn(ip, loopback);
    const bound = parseIp(plain);
    if (bound === undefined) return false;
    if (bound.range() === 'unspecified') return isIn(ip, loopback) || local.some((own) => isSame(own, ip));
    return isSame(bound, ip);
  };

  const loop = (ip: Ip, ports: readonly number[]): string | undefined =>
    facts.listeners.some(({ host, port }) => ports.includes(port) && reaches(host, ip))
      ? 'it is a listener of this gateway itself'
      : undefined;

  const judgeIp = (ip: Ip, ports: readonly number[], source: AddressSource): string | undefined => {
    const own = loop(ip, ports);
    if (own !== undefined || source === 'config') return own;
    const { consul } = facts;
    if (consul !== undefined && reaches(consul.host, ip)) {
      const port = ports.find((one) => one === consul.port || consulPorts.includes(one));
      if (port !== undefined)
        return port === consul.port ? "it is Consul's own API" : "it is Consul's own port";
    }
    const refused = isIsatap(ip) ? 'a tunnel address (ISATAP)' : refusedKind(ip.toString());
    if (refused !== undefined) return `${ip.toString()} is ${refused}`;
    if (ports.some((port) => portsOfOthers.has(port)) && reaches('::', ip))
      return 'something else than an instance usually listens there on this machine';
    if (isIn(ip, loopback) && !loopbackIsBelieved)
      return `${ip.toString()} is a loopback address, and Consul is on another machine (addresses.loopback)`;
    if (isIn(ip, deny)) return `${ip.toString()} is in addresses.deny`;
    if (allow.length > 0 && !isIn(ip, allow)) return `${ip.toString()} is not in addresses.allow`;
    return undefined;
  };

  return {
    judge(address, port, source) {
      const host = plainHost(address);
      const ip = loopbackName.test(host) ? ipaddr.parse('127.0.0.1') : parseIp(host);
      if (ip === undefined) {
        return consulHost === host && facts.consul?.port === port && source === 'registry'
          ? "it is Consul's own API"
          : undefined;
      }
      const verdict = judgeIp(ip, [port], source);
      if (verdict !== undefined || source === 'config') return verdict;
      return isPlainSpelling(address, ip) ? undefined : 'parsers differ in how they read this address';
    },
    judgeResolved(address, ports, source) {
      const ip = parseIp(plainHost(address));
      return ip === undefined ? 'it resolves to no address' : judgeIp(ip, ports, source);
    },
  };
}

/** Without brackets, zone and trailing dot, in lower case. */
function plainHost(text: string): string {
  const bare = /^\[(.*)\]$/.exec(text.trim())?.[1] ?? text.trim();
  return bare.replace(/%.*$/, '').replace(/\.$/, '').toLowerCase();
}

/** Reads every form of an address that some resolver reads, decimal, octal, hexadecimal and short ones too; embedded IPv4 comes out. */
function parseIp(text: string): Ip | undefined {
  if (!ipaddr.isValid(text)) return undefined;
  const ip = ipaddr.parse(text);
  if (ip instanceof ipaddr.IPv4) return ip;
  // ::1 and :: are themselves, not 0.0.0.1 and 0.0.0.0.
  const isSpecial = ip.range() === 'loopback' || ip.range() === 'unspecified';
  return !isSpecial && isIn(ip, embedding) ? new ipaddr.IPv4(ip.toByteArray().slice(12)) : ip;
}

/** Whether the interface identifier is an IPv4 address behind 0:5efe or 200:5efe (RFC 5214 §6.1), whatever the prefix. */
function isIsatap(ip: Ip): boolean {
  if (ip instanceof ipaddr.IPv4) return false;
  const [high, low] = ip.parts.slice(4, 6);
  return (high === 0 || high === 0x200) && low === 0x5efe;
}

function isIn(ip: Ip | undefined, ranges: readonly Range[]): boolean {
  return (
    ip !== undefined && ranges.some(([base, bits]) => ip.kind() === base.kind() && ip.match([base, bits]))
  );
}

function isSame(a: Ip, b: Ip): boolean {
  return a.kind() === b.kind() && a.toString() === b.toString();
}

/** IPv6 is read in one way only; IPv4 is when it is four decimal numbers without leading zeros. */
function isPlainSpelling(address: string, ip: Ip): boolean {
  const host = plainHost(address);
  return host.includes(':') || loopbackName.test(host) || host === ip.toString();
}
