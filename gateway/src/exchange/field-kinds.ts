/**
 * What the gateway does with a header field, by its name. Everything not listed is end-to-end and passes unchanged
 * (RFC 9110 §7.6: unknown fields are forwarded).
 */
export type FieldKind =
  | 'end-to-end'
  /** Concerns one connection only; never crosses, named in `Connection` or not (RFC 9110 §7.6.1). */
  | 'hop-by-hop'
  | 'connection'
  /** Content-Length, Transfer-Encoding, Trailer: the engine writes framing from what it parsed. */
  | 'framing'
  | 'host'
  | 'expect'
  | 'via'
  | 'max-forwards'
  | 'accept'
  /** At most one line; two would be read differently by different readers (RFC 9110 §5.3). */
  | 'singleton'
  /** Says who the client is; believed from trusted peers only. */
  | 'forwarded-for'
  | 'forwarded-proto'
  | 'forwarded-host'
  | 'forwarded-other'
  | 'forwarded'
  | 'request-id'
  /** How long the peer will wait: believed from trusted peers only, written anew where there is a deadline. */
  | 'request-timeout'
  | 'grpc-timeout'
  | 'date';

const kinds: ReadonlyMap<string, FieldKind> = new Map<string, FieldKind>([
  ['connection', 'connection'],
  ['keep-alive', 'hop-by-hop'],
  ['proxy-connection', 'hop-by-hop'],
  ['te', 'hop-by-hop'],
  ['upgrade', 'hop-by-hop'],
  ['proxy-authenticate', 'hop-by-hop'],
  ['proxy-authorization', 'hop-by-hop'],
  ['proxy-authentication-info', 'hop-by-hop'],
  ['http2-settings', 'hop-by-hop'],
  ['content-length', 'framing'],
  ['transfer-encoding', 'framing'],
  ['trailer', 'framing'],
  ['host', 'host'],
  ['expect', 'expect'],
  ['via', 'via'],
  ['max-forwards', 'max-forwards'],
  ['accept', 'accept'],
  ['authorization', 'singleton'],
  ['content-type', 'singleton'],
  ['content-range', 'singleton'],
  ['range', 'singleton'],
  ['if-modified-since', 'singleton'],
  ['if-unmodified-since', 'singleton'],
  ['x-forwarded-for', 'forwarded-for'],
  ['x-forwarded-proto', 'forwarded-proto'],
  ['x-forwarded-host', 'forwarded-host'],
  ['x-forwarded-port', 'forwarded-other'],
  ['x-forwarded-prefix', 'forwarded-other'],
  ['x-forwarded-server', 'forwarded-other'],
  ['x-forwarded-ssl', 'forwarded-other'],
  ['x-real-ip', 'forwarded-other'],
  ['forwarded', 'forwarded'],
  ['x-request-id', 'request-id'],
  ['x-request-timeout', 'request-timeout'],
  ['grpc-timeout', 'grpc-timeout'],
  ['date', 'date'],
]);

/**
 * Kinds by the spelling on the wire, so that the usual spellings cost one lookup and no lower-casing. Bounded: a client that
 * sends a new spelling each time can't fill it.
 */
const bySpelling = new Map<string, FieldKind>();
const maxSpellings = 512;

/** The kind of a field name in any spelling. */
export function fieldKind(name: string): FieldKind {
  return bySpelling.get(name) ?? learn(name);
}

function learn(name: string): FieldKind {
  const kind = kindOf(name.toLowerCase());
  if (bySpelling.size < maxSpellings) bySpelling.set(name, kind);
  return kind;
}

function kindOf(name: string): FieldKind {
  const kind = kinds.get(name);
  if (kind !== undefined || !name.includes('_')) return kind ?? 'end-to-end';
  // CGI-like readers take `X_Forwarded_For` for `X-Forwarded-For`: a managed name in that disguise never crosses.
  const disguised = kinds.get(name.replaceAll('_', '-'));
  return disguised === undefined || disguised === 'accept' || disguised === 'date'
    ? 'end-to-end'
    : 'hop-by-hop';
}

/** Options that `Connection` may not nominate for removal, because the message means something else without them. */
export function isProtectedFromConnection(name: string): boolean {
  const kind = kinds.get(name);
  return kind !== undefined && kind !== 'hop-by-hop' && kind !== 'accept' && kind !== 'date';
}

/** The comma-separated members of a list field, in lower case, without empty ones (RFC 9110 §5.6.1). */
export function listMembers(value: string): readonly string[] {
  return value
    .toLowerCase()
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '');
}
