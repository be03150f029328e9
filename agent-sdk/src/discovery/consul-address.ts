/** Where a Consul agent listens: TCP, or a unix socket. */
export type ConsulAddress =
  | {
      readonly kind: 'tcp';
      readonly scheme: 'http' | 'https';
      /** IP address or host name, without brackets. */
      readonly host: string;
      readonly port: number;
      /** What a reverse proxy puts before `/v1`: `/consul`, or nothing. No trailing slash. */
      readonly pathPrefix: string;
    }
  | { readonly kind: 'unix'; readonly path: string };

/** A parsed address, or the sentence that says what is wrong with it. */
export type ParsedAddress =
  | { readonly kind: 'address'; readonly address: ConsulAddress; readonly port: 'given' | 'implied' }
  | { readonly kind: 'problem'; readonly problem: string };

const problem = (text: string): ParsedAddress => ({ kind: 'problem', problem: text });

/**
 * Reads an address as HashiCorp's Go client does (`api.NewClient`): `host:port`, `http://`, `https://` and `unix://`, with a
 * path prefix where a reverse proxy needs one. `tls: 'on'` (CONSUL_HTTP_SSL) makes it https, whatever the scheme says.
 * Without a port the scheme's own default counts (80, 443), not 8500. Problems never quote credentials.
 */
export function parseConsulAddress(text: string, tls: 'on' | 'off'): ParsedAddress {
  const split = /^([^:/]*):\/\/(.*)$/su.exec(text);
  const scheme = (split?.[1] ?? 'http').toLowerCase();
  const rest = split?.[2] ?? text;
  if (scheme === 'unix') return parseUnix(rest, tls);
  if (scheme !== 'http' && scheme !== 'https')
    return problem(`the scheme "${printable(scheme)}" is unknown; use http://, https:// or unix://`);
  const authority = /^[^/?#]*/u.exec(rest)?.[0] ?? '';
  if (authority.includes('@'))
    return problem('credentials do not belong into the address; put user:password into CONSUL_HTTP_AUTH');
  const secure = tls === 'on' ? 'https' : scheme;
  const url = parseUrl(`${secure}://${rest}`);
  if (url === undefined || url.hostname === '') {
    return problem(
      `"${printable(text)}" is not an address; write host:port, http://host:port or unix:///path`,
    );
  }
  if (url.search !== '' || url.hash !== '')
    return problem(`"${printable(text)}" holds a query or a fragment; an address ends with its path prefix`);
  return {
    kind: 'address',
    port: /:\d+$/u.test(authority) ? 'given' : 'implied',
    address: {
      kind: 'tcp',
      scheme: secure,
      host: url.hostname.replace(/^\[(.*)\]$/u, '$1'),
      port: url.port === '' ? (secure === 'https' ? 443 : 80) : Number(url.port),
      pathPrefix: url.pathname.replace(/\/+$/u, ''),
    },
  };
}

function parseUnix(path: string, tls: 'on' | 'off'): ParsedAddress {
  if (!path.startsWith('/')) return problem('unix:// needs an absolute path, as in unix:///run/consul.sock');
  if (tls === 'on') return problem('TLS over a unix socket is not supported; unset CONSUL_HTTP_SSL');
  return { kind: 'address', port: 'given', address: { kind: 'unix', path } };
}

function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

/** The address as a URL, for messages: `http://[::1]:8500/consul`, `unix:///run/consul.sock`. */
export function formatConsulAddress(address: ConsulAddress): string {
  if (address.kind === 'unix') return `unix://${address.path}`;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${address.scheme}://${host}:${address.port}${address.pathPrefix}`;
}

/** Whether the agent is on this machine, so that traffic to it does not cross a network. */
export function isLoopbackAddress(address: ConsulAddress): boolean {
  return address.kind === 'unix' || /^(?:localhost|.*\.localhost|127(?:\.\d+){3}|::1)$/u.test(address.host);
}

/** Foreign text made safe for a log line: no control characters, at most 80 characters. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, '?').slice(0, 80);
}
