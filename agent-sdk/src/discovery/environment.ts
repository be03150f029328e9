import { type ConsulAddress, isLoopbackAddress, parseConsulAddress } from './consul-address.ts';

/** The variables of HashiCorp's Go client (`api/api.go`), by the name of the option that overrides each. */
const variables = {
  address: 'CONSUL_HTTP_ADDR',
  token: 'CONSUL_HTTP_TOKEN',
  tokenFile: 'CONSUL_HTTP_TOKEN_FILE',
  auth: 'CONSUL_HTTP_AUTH',
  ssl: 'CONSUL_HTTP_SSL',
  sslVerify: 'CONSUL_HTTP_SSL_VERIFY',
  caFile: 'CONSUL_CACERT',
  caPath: 'CONSUL_CAPATH',
  clientCert: 'CONSUL_CLIENT_CERT',
  clientKey: 'CONSUL_CLIENT_KEY',
  serverName: 'CONSUL_TLS_SERVER_NAME',
  namespace: 'CONSUL_NAMESPACE',
  partition: 'CONSUL_PARTITION',
} as const;

type OptionName = keyof typeof variables;

/** The names of {@link ConsulOptions}. */
export const consulOptionNames = Object.keys(variables) as readonly OptionName[];

/** Options that override the environment, each its variable. They have the same text forms as the variables. */
export type ConsulOptions = Readonly<Partial<Record<OptionName, string | undefined>>>;

/** A value and where it came from: `CONSUL_HTTP_ADDR`, `option address` or `default`. */
export interface Setting<T> {
  readonly value: T;
  readonly origin: string;
}

/** How to talk to one Consul agent. Files are named here and read by the client. Holds secrets: never log it whole. */
export interface ConsulSettings {
  readonly address: Setting<ConsulAddress>;
  readonly token: Setting<string> | undefined;
  /** Wins over `token` while the file holds one, as in HashiCorp's client. */
  readonly tokenFile: Setting<string> | undefined;
  /** For a reverse proxy in front of the agent (HTTP Basic). */
  readonly basicAuth: Setting<{ readonly username: string; readonly password: string }> | undefined;
  readonly tls: {
    readonly verify: Setting<'verify' | 'skip'>;
    readonly caFile: Setting<string> | undefined;
    /** A directory; every PEM file in it counts. Used where `caFile` is not set. */
    readonly caPath: Setting<string> | undefined;
    readonly clientCert: Setting<string> | undefined;
    readonly clientKey: Setting<string> | undefined;
    readonly serverName: Setting<string> | undefined;
  };
  readonly namespace: Setting<string> | undefined;
  readonly partition: Setting<string> | undefined;
}

/** The settings and their warnings, or all problems. Each warning and each problem is one sentence. */
export type ConsulSettingsResult =
  | { readonly kind: 'ok'; readonly settings: ConsulSettings; readonly warnings: readonly string[] }
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

/**
 * Reads how to reach Consul from HashiCorp's variables, with `options` winning over them. An empty variable counts as unset.
 * Pure: reads no file. Defaults: `http://127.0.0.1:8500`, no token, certificates verified.
 */
export function consulSettings(
  env: Readonly<Record<string, string | undefined>>,
  options: ConsulOptions = {},
): ConsulSettingsResult {
  const problems: string[] = [];
  const look = (name: OptionName): Setting<string> | undefined => lookUp(env, options, name, problems);

  const ssl = flag(look('ssl'), problems);
  const verify = flag(look('sslVerify'), problems);
  const address = addressSetting(look('address'), ssl?.value === true ? 'on' : 'off', problems);
  const token = look('token');
  // A token given in code wins over a token file named by the environment; on one level the file wins, as in Go.
  const isTokenInCode = token?.origin === 'option token' && (options.tokenFile ?? '') === '';
  const clientCert = look('clientCert');
  const clientKey = look('clientKey');
  if (clientCert !== undefined && clientKey === undefined) {
    problems.push(
      `${clientCert.origin}: a client certificate needs its private key; set ${variables.clientKey}.`,
    );
  }
  if (clientKey !== undefined && clientCert === undefined) {
    problems.push(
      `${clientKey.origin}: a private key needs its client certificate; set ${variables.clientCert}.`,
    );
  }
  const settings: ConsulSettings = {
    address: address.setting,
    token,
    tokenFile: isTokenInCode ? undefined : look('tokenFile'),
    basicAuth: basicAuth(look('auth')),
    tls: {
      verify: { value: verify?.value === false ? 'skip' : 'verify', origin: verify?.origin ?? 'default' },
      caFile: look('caFile'),
      caPath: look('caPath'),
      clientCert,
      clientKey,
      serverName: look('serverName'),
    },
    namespace: look('namespace'),
    partition: look('partition'),
  };
  if (problems.length > 0) return { kind: 'invalid', problems: [...new Set(problems)] };
  return { kind: 'ok', settings, warnings: warningsOf(settings, address.port) };
}

/** One value as a setting. Control characters are refused: they would break header lines and log lines. */
function lookUp(
  env: Readonly<Record<string, string | undefined>>,
  options: ConsulOptions,
  name: OptionName,
  problems: string[],
): Setting<string> | undefined {
  const option = options[name];
  const value = option ?? env[variables[name]];
  if (value === undefined || value === '') return undefined;
  const origin = option === undefined ? variables[name] : `option ${name}`;
  if (!/^\P{Cc}*$/u.test(value)) {
    problems.push(
      `${origin}: the value holds a line break or another control character; remove it (often a stray newline).`,
    );
    return undefined;
  }
  return { value, origin };
}

function addressSetting(
  setting: Setting<string> | undefined,
  tls: 'on' | 'off',
  problems: string[],
): { readonly setting: Setting<ConsulAddress>; readonly port: 'given' | 'implied' } {
  const fallback: ConsulAddress = {
    kind: 'tcp',
    scheme: tls === 'on' ? 'https' : 'http',
    host: '127.0.0.1',
    port: 8500,
    pathPrefix: '',
  };
  const origin = setting?.origin ?? 'default';
  if (setting === undefined) return { setting: { value: fallback, origin }, port: 'given' };
  const parsed = parseConsulAddress(setting.value.trim(), tls);
  if (parsed.kind === 'address') return { setting: { value: parsed.address, origin }, port: parsed.port };
  problems.push(`${origin}: ${parsed.problem}.`);
  return { setting: { value: fallback, origin }, port: 'given' };
}

/** Accepts the spellings of Go's `strconv.ParseBool` and no others. */
function flag(setting: Setting<string> | undefined, problems: string[]): Setting<boolean> | undefined {
  if (setting === undefined) return undefined;
  if (/^(?:1|t|T|true|TRUE|True)$/u.test(setting.value)) return { ...setting, value: true };
  if (/^(?:0|f|F|false|FALSE|False)$/u.test(setting.value)) return { ...setting, value: false };
  problems.push(
    `${setting.origin}: "${setting.value.slice(0, 40)}" is neither true nor false; write one of them.`,
  );
  return undefined;
}

function basicAuth(setting: Setting<string> | undefined): ConsulSettings['basicAuth'] {
  if (setting === undefined) return undefined;
  const colon = setting.value.indexOf(':');
  const username = colon === -1 ? setting.value : setting.value.slice(0, colon);
  const password = colon === -1 ? '' : setting.value.slice(colon + 1);
  return { value: { username, password }, origin: setting.origin };
}

function warningsOf(settings: ConsulSettings, port: 'given' | 'implied'): readonly string[] {
  const warnings: string[] = [];
  const { address, tls } = settings;
  const secret = settings.tokenFile ?? settings.token ?? settings.basicAuth;
  const plain = address.value.kind === 'tcp' && address.value.scheme === 'http';
  if (secret !== undefined && plain && !isLoopbackAddress(address.value)) {
    warnings.push(
      `${secret.origin} is sent unencrypted: ${address.origin} is http:// and not on this machine. Use https://.`,
    );
  }
  if (port === 'implied' && plain)
    warnings.push(`${address.origin} names no port, so 80 is used; Consul itself listens on 8500.`);
  const unused =
    address.value.kind === 'unix' || plain ? (tls.caFile ?? tls.caPath ?? tls.clientCert) : undefined;
  if (unused !== undefined)
    warnings.push(`${unused.origin} has no effect, because ${address.origin} is not https://.`);
  if (tls.verify.value === 'skip' && !plain)
    warnings.push(`${tls.verify.origin} turns certificate verification off: anybody can pose as Consul.`);
  return warnings;
}
