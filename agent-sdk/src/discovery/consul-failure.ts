import type { ConsulCall } from './consul-call.ts';
import type { LeftOut } from './oversize-filter.ts';
import { RegistryError } from './registry-client.ts';
import { ownShortage } from './system-error.ts';

/** Describes a call in messages. `subject`: the service name, service id or check id. */
export interface CallFacts {
  readonly kind: keyof typeof doing;
  readonly subject: string;
  /** The agent's address as a URL. */
  readonly url: string;
  /** The setting the address came from; `default` for none. */
  readonly origin: string;
}

/** What each call does, to follow "while". */
const doing = {
  serviceHealth: (name: string) => `reading the health of ${name}`,
  catalogServices: () => 'reading the catalog',
  agentServices: () => "reading the agent's services",
  agentService: (id: string) => `reading the record of ${id}`,
  register: (name: string) => `registering ${name}`,
  deregister: (id: string) => `deregistering ${id}`,
  maintenance: (id: string) => `switching maintenance of ${id}`,
  passCheck: (id: string) => `passing check ${id}`,
};

/** The ACL rule that each call needs (Consul ACL rules; the agent checks writes against the service's name). */
const neededRule: Readonly<Record<CallFacts['kind'], (subject: string) => string>> = {
  serviceHealth: (name) => `service:read on ${name} and node:read`,
  catalogServices: () => 'service:read and node:read',
  agentServices: () => 'service:read',
  agentService: (id) => `service:read on the service of ${id}`,
  register: (name) => `service:write on ${name}`,
  deregister: (id) => `service:write on the service of ${id}`,
  maintenance: (id) => `service:write on the service of ${id}`,
  passCheck: (id) => `service:write on the service of check ${id}`,
};

/** Throws for a name or id that cannot be part of a path. Consul would read `..` as another endpoint. */
export function checkSubject(facts: CallFacts): void {
  if (facts.kind === 'catalogServices' || facts.kind === 'agentServices') return;
  if (/^\.{0,2}$/u.test(facts.subject) || !/^\P{Cc}{1,512}$/u.test(facts.subject)) {
    throw new RegistryError(
      'rejected',
      `${JSON.stringify(facts.subject.slice(0, 80))} can't be a Consul name or id: it is empty, dots only, too long or holds control characters.`,
    );
  }
}

/** The option of Consul's agent that limits the connections of one address. */
const limitOption = 'limits.http_max_conns_per_client (200 by default)';

/**
 * The error of a connection that could not be opened, or that broke before the answer. `code`: the system's, OpenSSL's or the HTTP parser's. `refused`: a new connection was
 * closed as soon as it was made.
 */
export function connectionFailure(
  facts: CallFacts,
  code: string,
  cause: unknown,
  end: 'refused' | 'broken' = 'broken',
): RegistryError {
  if (code.startsWith('HPE_')) {
    return new RegistryError(
      'malformed',
      `Consul at ${facts.url} does not answer in HTTP (${code}, ${from(facts)}); is it the HTTPS port, or not Consul?`,
      { cause },
    );
  }
  const shortage = ownShortage(code);
  if (shortage !== undefined) {
    const message = `${shortage} (${code}) for a call to Consul at ${facts.url}; that is no word on Consul`;
    return new RegistryError('exhausted', message, { cause });
  }
  const tls = /CERT|SELF_SIGNED|LEAF_SIGNATURE|ALTNAME/u.test(code)
    ? '; set CONSUL_CACERT to the CA that signed its certificate, or CONSUL_TLS_SERVER_NAME to the name in it'
    : '';
  const full = end === 'refused' ? `; has this host reached its ${limitOption}?` : '';
  const plain = code === 'EPROTO' || code.startsWith('ERR_SSL') ? '; is it the plain HTTP port?' : '';
  return new RegistryError(
    'unreachable',
    `Cannot reach Consul at ${facts.url} (${code}, ${from(facts)})${tls}${plain}${full}`,
    { cause },
  );
}

/** The error of a new connection that Consul closed at once, or of an answer with status 429. */
export function overLimitFailure(facts: CallFacts, how: { status?: number; cause?: unknown }): RegistryError {
  const refused = how.status === undefined ? 'closed a new connection at once' : `answered ${how.status}`;
  return new RegistryError(
    'over_limit',
    `Consul at ${facts.url} ${refused} ${whileDoing(facts)} (${from(facts)}); has this host reached its ` +
      `${limitOption}?`,
    how,
  );
}

/** What an operator should know when an agent takes no more connections. `seats`: blocking reads from here on. */
export function overLimitNotice(facts: CallFacts, seats: number): string {
  return (
    `Consul at ${facts.url} refuses new connections and still answers on open ones: this host has reached its ` +
    `${limitOption}. At most ${seats} reads block from here on. Raise that option in the agent's configuration, or lower ` +
    `consul.maxConnections.`
  );
}

/** The error of an answer that was not read to its end: its deadline passed, it ended early, or it is too large. */
export function unfinishedFailure(
  facts: CallFacts,
  kind: 'deadline' | 'cut' | 'oversize',
  { deadlineMs, maxBodyBytes }: Pick<ConsulCall, 'deadlineMs' | 'maxBodyBytes'>,
): RegistryError {
  const answer = `The answer of Consul at ${facts.url}`;
  const meanwhile = whileDoing(facts);
  if (kind === 'cut') return new RegistryError('unreachable', `${answer} broke off ${meanwhile}`);
  if (kind === 'oversize')
    return new RegistryError('malformed', `${answer} is larger than ${maxBodyBytes} bytes ${meanwhile}`);
  return new RegistryError(
    'timeout',
    `Consul at ${facts.url} gave no complete answer within ${deadlineMs / 1000} s ${meanwhile} (${from(facts)})`,
  );
}

/** What an operator should know when an answer is too large to be read whole. */
export function leftOutNotice(facts: CallFacts, leftOut: readonly LeftOut[]): string {
  const names = leftOut.slice(0, 5).map(({ name }) => quote(name));
  const more = leftOut.length > names.length ? ` and ${leftOut.length - names.length} more` : '';
  const what =
    facts.kind === 'catalogServices'
      ? 'the tags of the services'
      : `these instances of ${quote(facts.subject)}:`;
  return (
    `The answer of Consul at ${facts.url} is too large ${whileDoing(facts)}. It is read without ${what} ` +
    `${names.join(', ')}${more}. Find out who registers so much.`
  );
}

/** The error of a 2xx answer that does not come from Consul: a login page, a proxy's greeting, broken JSON. */
export function notConsulFailure(facts: CallFacts, status: number, contentType: string): RegistryError {
  const what = /json/iu.test(contentType)
    ? 'broken JSON'
    : `${contentType === '' ? 'no content type' : quote(contentType)} instead of JSON`;
  return new RegistryError(
    'malformed',
    `Consul at ${facts.url} answered ${status} with ${what} ${whileDoing(facts)} (${from(facts)}); is a proxy or a login page in between?`,
    { status },
  );
}

/** The error of an answer with any status but 2xx. `text` is the start of its body; it is quoted with secrets and control characters removed. */
export function statusFailure(
  facts: CallFacts,
  status: number,
  text: string,
  secrets: readonly string[],
): RegistryError {
  const said = readable(text, secrets);
  const tail = said === '' ? '' : `: ${said}`;
  const head = `Consul at ${facts.url} answered ${status} ${whileDoing(facts)}`;
  const error = (failure: RegistryError['failure'], message: string): RegistryError =>
    new RegistryError(failure, message, { status });

  if (status === 401 || status === 403) {
    const rule = neededRule[facts.kind](quote(facts.subject));
    return error('forbidden', `${head}${tail}; the token (CONSUL_HTTP_TOKEN) needs ${rule}`);
  }
  if (status === 404 || (status === 500 && saysUnknownId(facts.kind, text)))
    return error('not_found', `${head}${tail}`);
  if (status >= 500) return error('unavailable', `${head}${tail}`);
  if (status >= 400) return error('rejected', `${head}${tail}`);
  return error(
    'malformed',
    `${head} (${from(facts)}); Consul never does: is a proxy or a login page in between?`,
  );
}

/**
 * Consul before 1.11 answers 500 for a check or service id that the agent doesn't know (measured on 1.8.7), newer versions 404.
 * Only the text tells these 500s apart. No other place reads a message. An unknown wording stays `unavailable`, which is retried.
 */
function saysUnknownId(kind: CallFacts['kind'], text: string): boolean {
  if (kind === 'passCheck') return /does not have associated TTL|Unknown check/iu.test(text);
  if (kind === 'deregister' || kind === 'maintenance')
    return /Unknown service|No service registered with ID/iu.test(text);
  return false;
}

function whileDoing(facts: CallFacts): string {
  return `while ${doing[facts.kind](quote(facts.subject))}`;
}

function from(facts: CallFacts): string {
  return facts.origin === 'default'
    ? 'the default address; set CONSUL_HTTP_ADDR if Consul is elsewhere'
    : `from ${facts.origin}`;
}

function readable(text: string, secrets: readonly string[]): string {
  const clean = text.slice(0, 2000);
  const redacted = secrets
    .filter((secret) => secret !== '')
    .reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), clean);
  const line = redacted.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}

/** Foreign text in quotes, escaped and bounded. */
function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
