import { isIP, isIPv4 } from 'node:net';

import ipaddr from 'ipaddr.js';

/** Either the value in its normal form, or what is wrong with it, in words. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string };

/** Labels of letters, digits, `-` and `_` (Docker allows it); the last one no number, so that no odd IPv4 form passes. */
const hostName =
  /^(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*(?!(\d+|0x[\da-f]*)$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * An IP address or host name in normal form: lower case, IPv6 without brackets. `0x7f.1`, `127.1` and `010.0.0.1`, which
 * resolvers read as addresses in different ways, are refused.
 */
export function parseHost(text: string): Parsed<string> {
  const bare = /^\[.*\]$/.test(text) ? text.slice(1, -1) : text;
  const lower = bare.toLowerCase();
  if (isIP(lower) !== 0) {
    if (lower.includes('%')) return { problem: 'an address without a zone' };
    return bare !== text && isIPv4(lower) ? { problem: 'brackets are for IPv6 only' } : { value: lower };
  }
  return bare === text && hostName.test(lower)
    ? { value: lower }
    : { problem: 'an IP address or a host name' };
}

/** `host:port` or `[v6]:port`, port 1..65535. */
export function parseAuthority(text: string): Parsed<{ readonly address: string; readonly port: number }> {
  const problem = 'host:port or [IPv6]:port, such as 10.0.0.5:9001';
  const match = /^(?<host>\[[^\]]*\]|[^:]*):(?<port>[1-9]\d{0,4})$/.exec(text);
  const hostText = match?.groups?.['host'] ?? '';
  const port = Number(match?.groups?.['port']);
  const host = parseHost(hostText);
  if (!('value' in host) || !(port <= 65_535)) return { problem };
  return { value: { address: host.value, port } };
}

/** The text that {@link parseAuthority} reads: an IPv6 address stands in brackets. */
export function formatAuthority(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/**
 * A CIDR range in normal form: host bits cleared, IPv4-mapped IPv6 turned into IPv4 (peers are compared unmapped).
 * A single address stands for itself.
 */
export function parseCidr(text: string): Parsed<string> {
  const problem = 'an IP address or a CIDR range, such as 10.0.0.0/8 or fd00::/8';
  const [address = '', bitsText, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0 || address.includes('%')) return { problem };
  const width = family === 4 ? 32 : 128;
  if (bitsText !== undefined && !/^(0|[1-9]\d{0,2})$/.test(bitsText)) return { problem };
  const bits = bitsText === undefined ? width : Number(bitsText);
  if (bits > width) return { problem };
  if (family === 4)
    return { value: `${ipaddr.IPv4.networkAddressFromCIDR(`${address}/${bits}`).toString()}/${bits}` };
  const network = ipaddr.IPv6.networkAddressFromCIDR(`${address}/${bits}`);
  if (bits >= 96 && network.isIPv4MappedAddress())
    return { value: `${network.toIPv4Address().toString()}/${bits - 96}` };
  return { value: `${network.toString()}/${bits}` };
}

/** Whether only this machine can reach a listener on `host`. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/** Whether `host` stands for every address of the machine. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}
