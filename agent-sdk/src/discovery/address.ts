/**
 * The host part of an instance's address, checked and in the form that `net.connect` takes: an IP address without brackets, or
 * a host name. Undefined for anything else: an address with a port or a scheme, the unspecified address, forms of IPv4 that
 * some parsers read and others don't (`127.1`, `0x7f000001`, `2130706433`), control characters.
 */
export function readHostAddress(text: string): string | undefined {
  const bracketed = /^\[([^[\]]*)\]$/u.exec(text);
  const address = bracketed?.[1] ?? text;
  if (address.includes(':')) return isIpv6(address) && !/^[0:.]+$/u.test(address) ? address : undefined;
  if (bracketed !== null) return undefined;
  if (isIpv4(address)) return address === '0.0.0.0' ? undefined : address;
  return isHostName(address) ? address : undefined;
}

function isIpv4(text: string): boolean {
  return /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/u.test(text);
}

/** RFC 4291 §2.2, with a zone (RFC 4007 §11) for link-local addresses. */
function isIpv6(text: string): boolean {
  const [address = '', zone, ...more] = text.split('%');
  if (more.length > 0 || (zone !== undefined && !/^[\w.-]{1,32}$/u.test(zone))) return false;
  const halves = address.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  const last = groups.at(-1);
  const embedded = last?.includes('.') === true;
  if (embedded && !(isIpv4(last) && !address.endsWith(':'))) return false;
  const hex = embedded ? groups.slice(0, -1) : groups;
  if (!hex.every((group) => /^[0-9A-Fa-f]{1,4}$/u.test(group))) return false;
  const count = hex.length + (embedded ? 2 : 0);
  return halves.length === 2 ? count < 8 : count === 8;
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
