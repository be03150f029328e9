/**
 * What the gateway does with a header field, by its name: the only table of field names. Everything that is not listed is
 * end-to-end and passes unchanged (R04, RFC 9110 §7.6: unknown fields are forwarded). Codecs look a name up once per line.
 */
const namesByRole = {
  /** R03: concern one connection only and never cross, named in `Connection` or not (RFC 9110 §7.6.1). */
  'hop-by-hop': `proxy-connection proxy-authenticate proxy-authorization proxy-authentication-info http2-settings
    trailer proxy`,
  connection: 'connection',
  'keep-alive': 'keep-alive',
  te: 'te',
  upgrade: 'upgrade',
  /** Framing is written anew from what was parsed (R13). */
  'content-length': 'content-length',
  'transfer-encoding': 'transfer-encoding',
  host: 'host',
  expect: 'expect',
  via: 'via',
  'max-forwards': 'max-forwards',
  accept: 'accept',
  date: 'date',
  /** R05, R51 */
  authorization: 'authorization',
  /** R51 */
  challenge: 'www-authenticate',
  /** R05: at most one line; two would be read differently by different readers (RFC 9110 §5.3). */
  singleton: 'content-type content-range range if-modified-since if-unmodified-since',
  /** Say who the client is, or what it asked for; believed from trusted peers only (F1). Whole families are in `families`. */
  'forwarded-for': 'x-forwarded-for',
  'forwarded-proto': 'x-forwarded-proto',
  'forwarded-host': 'x-forwarded-host',
  'forwarded-other': `cf-connecting-ip cf-connecting-ipv6 cf-visitor cf-access-authenticated-user-email client-ip
    fastly-client-ip fly-client-ip front-end-https proxy-client-ip remote-addr remote-user true-client-ip
    wl-proxy-client-ip x-host x-scheme`,
  forwarded: 'forwarded',
  'request-id': 'x-request-id',
  /** How long the peer will wait: believed from trusted peers only, written anew where there is a deadline. */
  'request-timeout': 'x-request-timeout',
  'grpc-timeout': 'grpc-timeout',
} as const;

/**
 * F1: what names begin with by which a proxy in front speaks for the client: its address, scheme, certificate and user, and the target
 * that it asked for. They have the role `forwarded-other`.
 */
const families =
  words(`client-cert forwarded- ssl-client x-amzn-oidc- x-appengine- x-arr- x-auth-request- x-authenticated- x-azure-clientip
  x-azure-socketip x-client-cert x-client-dn x-client-ip x-client-verify x-cluster-client-ip x-envoy- x-forwarded
  x-goog-authenticated-user- x-http-destinationurl x-http-host-override x-ms-client-principal x-original- x-override-url x-proxyuser-ip
  x-real- x-remote- x-rewrite- x-ssl- x-tls- x-url-scheme x-webauth-`);

/** What a header field is to the gateway. */
export type FieldRole = keyof typeof namesByRole | 'end-to-end';

/** Fields that a proxy in front may set to speak for the client. */
export type ClaimRole =
  | Exclude<Extract<FieldRole, `forwarded${string}`>, 'forwarded-other'>
  | 'request-id'
  | 'request-timeout'
  | 'grpc-timeout';

function words(list: string): readonly string[] {
  return list.split(/\s+/);
}

const roles: ReadonlyMap<string, FieldRole> = new Map(
  Object.entries(namesByRole).flatMap(([role, names]) =>
    words(names).map((name) => [name, role as FieldRole] as const),
  ),
);

/** End-to-end fields that must not be merged or believed when they come as trailers (RFC 9110 §6.5.1); `if-…` too. */
const neverTrailers = new Set(
  words('cache-control content-encoding cookie location pragma retry-after set-cookie vary www-authenticate'),
);

/** A listed name in one of its usual spellings. */
interface Spelling {
  readonly text: string;
  readonly role: FieldRole;
}

/**
 * The listed names by length, first and last letter, in their usual spellings: a lookup hashes no string, and the usual name without
 * a role costs a look at an empty place. Other spellings and the disguise (see `roleOf`) lead to the same place.
 */
const places: (readonly Spelling[] | undefined)[] = Array.from({ length: 1024 }, () => undefined);
for (const [name, role] of roles) {
  const titled = name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase());
  const place = placeOf(name);
  places[place] = [...(places[place] ?? []), { text: titled, role }, { text: name, role }];
}

function placeOf(name: string): number {
  const { length } = name;
  const ends = 5 * (name.charCodeAt(0) & 31) + 11 * (name.charCodeAt(length - 1) & 31);
  return (32 * length + ends) & 1023;
}

/** Whether a name may belong to a family, by letters at its start. */
const startsFamily = new Uint8Array(1024);
for (const family of families) {
  startsFamily[startOf(family)] = 1;
  startsFamily[startOf(family.replaceAll('-', '_'))] = 1;
}

function startOf(name: string): number {
  const [first, third, fourth] = [name.charCodeAt(0), name.charCodeAt(2), name.charCodeAt(3)];
  return (7 * (first & 31) + 32 * (third & 31) + (fourth & 31)) & 1023;
}

/** The role of a field name in any spelling. */
export function fieldRole(name: string): FieldRole {
  const spellings = places[placeOf(name)];
  if (spellings === undefined)
    return startsFamily[startOf(name)] === 1 ? roleOf(name.toLowerCase()) : 'end-to-end';
  for (let i = 0; i < spellings.length; i += 1) {
    const spelling = spellings[i];
    if (spelling?.text === name) return spelling.role;
  }
  return roleOf(name.toLowerCase());
}

function roleOf(name: string): FieldRole {
  if (!name.includes('_')) return listedRole(name);
  // F2: CGI-like readers take `X_Forwarded_For` for `X-Forwarded-For`: a managed name in that disguise never crosses.
  return isUnmanaged(listedRole(name.replaceAll('_', '-'))) ? 'end-to-end' : 'hop-by-hop';
}

function listedRole(name: string): FieldRole {
  const role = roles.get(name);
  if (role !== undefined) return role;
  return families.some((family) => name.startsWith(family)) ? 'forwarded-other' : 'end-to-end';
}

/** R03, R13: whether a field belongs to one connection, or to framing, which is written anew on the other one. */
export function staysOnConnection(role: FieldRole): boolean {
  switch (role) {
    case 'end-to-end':
      return false;
    case 'connection':
    case 'keep-alive':
    case 'hop-by-hop':
    case 'te':
    case 'upgrade':
    case 'content-length':
    case 'transfer-encoding':
      return true;
    default:
      return false;
  }
}

/** Whether the gateway neither writes a field nor gives it a meaning of its own. */
function isUnmanaged(role: FieldRole): boolean {
  return role === 'end-to-end' || role === 'accept' || role === 'date' || role === 'challenge';
}

const none: ReadonlySet<string> = new Set();

/** Options that `Connection` may list; some name several fields, none has a use for this many. */
const maxConnectionOptions = 64;

/** R46: whether `Connection` lists more options than anything has a use for: each of them would be looked for in each line. */
export function hasTooManyOptions(connection: string | undefined): boolean {
  if (connection === undefined || connection.length < 2 * maxConnectionOptions) return false;
  let at = -1;
  for (let commas = 0; commas < maxConnectionOptions; commas += 1) {
    at = connection.indexOf(',', at + 1);
    if (at === -1) return false;
  }
  return true;
}

/** R02: fields of a request by which an instance decides what it answers, and to whom; and those that tell what a body is. */
const neverNominated =
  /^(?:cookie|origin|pragma|referer)$|^(?:accept|access-control|cache|content|if|sec)-|auth|csrf|key|secret|session|signature|tenant|token|user|xsrf/;

/**
 * R02: the names that `Connection` takes out of a message, in lower case. It can't name what gives the message its meaning, nor what the
 * gateway itself writes; nor, in a request, what an instance decides by: such an option is ignored, and the field crosses. What never
 * crosses needs no naming (RFC 9110 §7.6.1).
 */
export function nominatedBy(
  connection: string | undefined,
  message: 'request' | 'response',
): ReadonlySet<string> {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return none;
  const nominated = new Set<string>();
  for (const member of connection.toLowerCase().split(',')) {
    const name = member.trim();
    if (name === '' || name === 'close' || name === 'keep-alive') continue;
    const matters = message === 'request' && neverNominated.test(name);
    if (!matters && isUnmanaged(fieldRole(name))) nominated.add(name);
  }
  return nominated;
}

/** Trailers without those that may not pass: framing, routing, authentication, cookies and whatever the gateway manages (R39). */
export function allowedTrailers(lines: readonly string[]): string[] {
  return lines.filter((_, i) => {
    const name = (lines[i - (i % 2)] ?? '').toLowerCase();
    if (name.includes('_') || name.startsWith('x-forwarded-') || name.startsWith('if-')) return false;
    return isUnmanaged(fieldRole(name)) && !neverTrailers.has(name);
  });
}

/** R39: whether trailers hold a field that would frame the message. */
export function hasFramingField(trailers: readonly string[]): boolean {
  return trailers.some((name, i) => i % 2 === 0 && framingRoles.has(fieldRole(name)));
}

const framingRoles: ReadonlySet<FieldRole> = new Set(['content-length', 'transfer-encoding']);
