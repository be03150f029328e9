import { consulOptionNames, type ConsulSettings, consulSettings } from '../discovery/environment.ts';
import { routeTag, RouteTagError } from '../discovery/route-tags.ts';

import { isUnspecified } from './advertised-address.ts';
import { applicationFor, isServer } from './application.ts';
import type { PortChoice } from './bind.ts';
import { logFrom } from './log.ts';
import * as rule from './option-rules.ts';
import { type Network, parseNetwork } from './network-address.ts';
import { defaults, type TaggedAddresses } from './options.ts';

const dayMs = 86_400_000;
/** Consul takes 64 pairs; up to five are the SDK's. */
const maxMetaPairs = 58;

/** The options of both calls: what each must be, and what it is when not set. */
const common = {
  name: rule.required(
    rule.text(/^[a-z0-9_][a-z0-9._-]{0,127}$/iu, 'letters, digits and . _ -, at most 128'),
    'the name of the service, for instance api-service',
  ),
  id: rule.text(/^[a-z0-9][a-z0-9._:-]{0,127}$/iu, 'letters, digits and . _ : -, at most 128'),
  address: rule.orVariable('ADDRESS', readAddress),
  network: rule.orVariable('ADVERTISED_NETWORK', readNetwork),
  advertisedPort: rule.orVariable('ADVERTISED_PORT', rule.integer(1, 65_535), Number),
  taggedAddresses: rule.named(/^[a-z0-9_-]{1,64}$/iu, (value, place) => readTaggedAddress(value, place)),
  routes: rule.list(readRoute),
  tags: rule.list(rule.text(/^[^\p{Cc}]{1,512}$/u, 'a text of 1 to 512 characters without line breaks')),
  meta: readMeta,
  version: rule.text(/^[\x20-\x7e]{1,128}$/u, '1 to 128 printable ASCII characters'),
  weight: rule.byDefault(rule.integer(1, 65_535), defaults.weight),
  check: rule.object({
    http: rule.required(
      rule.text(/^\/[\x21-\x7e]*$/u, 'a path that begins with /'),
      'the path to ask, such as /healthz',
    ),
    intervalMs: rule.byDefault(rule.integer(1_000, dayMs), defaults.checkIntervalMs),
  }),
  ttlMs: rule.byDefault(rule.integer(1_000, dayMs), defaults.ttlMs),
  deregisterCriticalAfterMs: rule.byDefault(
    rule.integer(60_000, 30 * dayMs),
    defaults.deregisterCriticalAfterMs,
  ),
  gateways: rule.byDefault(
    rule.text(/^[a-z0-9_][a-z0-9_.-]{0,127}$/iu, 'the name under which gateways are registered, or off'),
    defaults.gateways,
  ),
  acknowledgeTimeoutMs: rule.byDefault(rule.integer(0, 60_000), defaults.acknowledgeTimeoutMs),
  propagationMs: rule.byDefault(rule.integer(0, 60_000), defaults.propagationMs),
  drainTimeoutMs: rule.byDefault(rule.integer(0, dayMs), defaults.drainTimeoutMs),
  identity: rule.byDefault(rule.oneOf('answer', 'off'), 'answer'),
  signals: rule.byDefault(rule.oneOf('handle', 'ignore'), 'handle'),
  consul: readConsul,
  ready: rule.callback<() => Promise<void>>(),
  close: rule.callback<() => Promise<void>>(),
  log: rule.optional('a function, or a logger with info, warn and error such as Pino', logFrom),
};

const registerRules = {
  ...common,
  port: rule.required(rule.integer(1, 65_535), 'the port the process listens on, or a server that listens'),
  server: rule.optional('a server of node:http or node:https', (value) =>
    isServer(value) ? value : undefined,
  ),
};

const handlerKinds =
  'a Fastify instance, a NestJS, Koa, Express or Hono app, an http.Server or a function (request, response) => …';
const serviceRules = {
  ...common,
  handler: rule.required(rule.optional(handlerKinds, applicationFor), handlerKinds),
  fetch: rule.optional('a function (request) => response, without handler', () => undefined),
  port: rule.byDefault(
    rule.orVariable('PORT', readPort, (digits) => (/^\d{1,5}$/u.test(digits) ? Number(digits) : digits)),
    { value: { kind: 'range', ...defaults.portRange }, origin: 'default' },
  ),
  host: rule.orVariable('HOST', readHost),
};

/** The options of both calls, complete and valid. */
export type CheckedOptions = rule.Values<typeof common>;

/** Checks the options of registerService. Throws ServiceError `invalid_options` with every problem at once. */
export function checkRegisterOptions(
  options: object,
  env: rule.Place['env'],
): rule.Values<typeof registerRules> {
  return rule.readOptions(registerRules, withPort(options), env);
}

/** Checks the options of startService. Throws ServiceError `invalid_options` with every problem at once. */
export function checkServiceOptions(
  options: object,
  env: rule.Place['env'],
): rule.Values<typeof serviceRules> {
  return rule.readOptions(serviceRules, withHandler(options), env);
}

/** Without a port, that of the server. */
function withPort(options: object): object {
  const { port, server } = options as { readonly port?: unknown; readonly server?: unknown };
  const bound = port === undefined && isServer(server) ? server.address() : null;
  return bound === null || typeof bound === 'string' ? options : { ...options, port: bound.port };
}

/** The option `fetch` as a handler. Where it is wrong, or beside `handler`, it stays, and is refused. */
function withHandler(options: object): object {
  if (!('fetch' in options) || typeof options.fetch !== 'function') return options;
  const { fetch, ...others } = options;
  return 'handler' in options && options.handler !== undefined ? options : { ...others, handler: { fetch } };
}

function readAddress(value: unknown, place: rule.Place): string | undefined {
  const mustBe = 'an IP address or a host name, without port or brackets';
  const address = rule.text(/^[a-z0-9._:-]{1,253}$/iu, mustBe)(value, place);
  if (address !== undefined && isUnspecified(address))
    rule.wrong(place, `is ${address}, to which no client can connect; it must be ${mustBe}`);
  return address;
}

function readNetwork(value: unknown, place: rule.Place): Network | undefined {
  return rule.optional('a CIDR block such as 10.0.0.0/8, or the name of an interface', parseNetwork)(
    value,
    place,
  );
}

function readTaggedAddress(value: unknown, place: rule.Place): TaggedAddresses[string] | undefined {
  const read = rule.object({
    address: rule.required(readAddress, 'an IP address or a host name'),
    port: rule.integer(1, 65_535),
  })(value, place);
  return read?.address === undefined ? undefined : { address: read.address, port: read.port };
}

/** One address, so that the port that is registered is the port that is bound: `localhost` can mean two. */
function readHost(value: unknown, place: rule.Place): string | undefined {
  const host = rule.text(/^\S+$/u, 'an IP address or a host name')(value, place);
  return host === 'localhost' ? '127.0.0.1' : host;
}

function readPort(value: unknown, place: rule.Place): PortChoice | undefined {
  if (rule.isRecord(value)) {
    const end = rule.required(rule.integer(1, 65_535), 'a range is { from: 20000, to: 29999 }');
    const { from, to } = rule.object({ from: end, to: end })(value, place) ?? { from: 0, to: 0 };
    if (from > to) rule.wrong(place, 'is a range that ends before it begins');
    return { kind: 'range', from, to };
  }
  const number = rule.optional('a port from 0 (any) to 65535', (given) => rule.within(given, 0, 65_535));
  const port = number(value, place);
  return port === undefined ? undefined : { kind: 'fixed', port };
}

/** A route as the tag that claims it. */
function readRoute(value: unknown, place: rule.Place): string | undefined {
  const part = rule.text(/^[^]*$/u, 'a text');
  const parts = rule.object({
    prefix: rule.required(part, 'the path to claim, such as /api'),
    host: part,
    strip: part,
  });
  const route = typeof value === 'string' ? value : parts(value, place);
  if (route === undefined || (typeof route !== 'string' && typeof route.prefix !== 'string'))
    return undefined;
  try {
    return routeTag(route);
  } catch (error) {
    if (!(error instanceof RouteTagError)) throw error;
    rule.wrong(place, `is no route: ${error.message}`);
    return undefined;
  }
}

/** The caller's own meta, within Consul's limits. */
function readMeta(value: unknown, place: rule.Place): Readonly<Record<string, string>> {
  const meta = rule.texts(metaProblem)(value, place);
  const count = Object.keys(meta).length;
  if (count > maxMetaPairs) {
    rule.wrong(
      place,
      `has ${count} pairs; Consul takes 64, of which six are the SDK's, so at most ${maxMetaPairs}`,
    );
  }
  return meta;
}

function metaProblem(key: string, value: unknown): string | undefined {
  if (key === 'weight' || key === 'version') return `is set by the SDK; use the option ${key}`;
  if (key === 'pid' || key === 'started') return 'is set by the SDK; use another key';
  if (key.toLowerCase().startsWith('roundhouse-'))
    return 'is reserved: keys that begin with roundhouse- tell gateways what this SDK guarantees';
  if (!/^[A-Za-z0-9_-]{1,128}$/u.test(key) || key.startsWith('consul-'))
    return 'is no key that Consul takes: at most 128 of A-Z a-z 0-9 _ -, not beginning with consul-';
  return typeof value === 'string' && Buffer.byteLength(value) <= 512
    ? undefined
    : 'must be a text of at most 512 bytes';
}

const readConsulOptions = rule.object(
  Object.fromEntries(consulOptionNames.map((name) => [name, rule.text(/^[^]*$/u, 'a text')])),
);

/** How to reach Consul: the options, each of which wins over its `CONSUL_*` variable; and what deserves a warning. */
function readConsul(
  value: unknown,
  place: rule.Place,
): { readonly settings: ConsulSettings; readonly warnings: readonly string[] } {
  const result = consulSettings(place.env, readConsulOptions(value, place) ?? {});
  if (result.kind === 'ok') return result;
  place.problems.push(...result.problems);
  return readConsul(undefined, { ...place, env: {} });
}
