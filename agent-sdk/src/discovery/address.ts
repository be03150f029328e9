import { isIPv4, isIPv6 } from 'node:net';

/**
 * The host part of an instance's address, checked and in the form that `net.connect` takes: an IP address without brackets, or
 * a host name. Undefined for anything else: an address with a port or a scheme, the unspecified address, forms of IPv4 that
 * some parsers read and others don't (`127.1`, `0x7f000001`, `2130706433`), control characters.
 */
export function readHostAddress(text: string): string | undefined {
  const bracketed = /^\[([^[\]]*)\]$/u.exec(text);
  const address = bracketed?.[1] ?? text;
  if (address.includes(':')) return isZonedIpv6(address) && !/^[0:.]+$/u.test(address) ? address : undefined;
  if (bracketed !== null) return undefined;
  if (isIPv4(address)) return address === '0.0.0.0' ? undefined : address;
  return isHostName(address) ? address : undefined;
}

/** RFC 4291 §2.2, with a zone (RFC 4007 §11) for link-local addresses. */
function isZonedIpv6(text: string): boolean {
  const [address = '', zone = '0', ...more] = text.split('%');
  return isIPv6(address) && more.length === 0 && /^[\w.-]{1,32}$/u.test(zone);
}

/** RFC 1123 §2.1, with the underscores that container platforms use; a last label that is a number would be an IPv4 address. */
function isHostName(text: string): boolean {
  if (text.length > 253) return false;
  const labels = text.replace(/\.$/u, '').split('.');
  const last = labels.at(-1) ?? '';
  return (
    !/^(?:\d+|0[xX][0-9A-Fa-f]*)$/u.test(last) &&
    labels.every((label) => /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/u.test(label))
  );
}
