import { attemptText } from '../config/attempt-text.ts';
import type { ConfigAttempt } from '../config/config-control.ts';
import { readConfigFile } from '../config/config-file.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { loadConfig } from '../config/load-config.ts';
import { CommandError, configOrFail, type Flags } from './program.ts';

/** Flags of commands that show something. */
type ShowFlags = Flags & { readonly json?: string };

/** `roundhouse routes`, `services`, `explain` and `config history`: what a running gateway knows, as a table, or as JSON with `--json`. */
export async function show(path: `/api/${string}`, { json, ...flags }: ShowFlags): Promise<void> {
  const accept = json === undefined ? 'text/plain' : 'application/json';
  const { status, body } = await askAdmin(adminOf(flags), { path, accept });
  if (status !== 200) throw new CommandError(`The gateway answered ${status}: ${body.trim()}`);
  console.log(body.trimEnd());
}

/** `roundhouse healthcheck`: succeeds when the gateway on this host is ready. Made for `HEALTHCHECK` in an image. */
export async function healthcheck(flags: Flags): Promise<void> {
  const { config } = configOrFail(flags);
  const { url, status, body } = await askAdmin(
    { ...config.admin, token: 'off' },
    { path: '/readyz', accept: 'text/plain' },
  );
  if (status !== 200) throw new CommandError(`${url}: ${status} ${body.trim()}`);
  console.log(`OK: ${url}`);
}

/** `roundhouse config reload`, `release` and `rollback VERSION`: a running gateway does it, and says what came of it. */
export async function changeConfig(
  change: 'reload' | 'release' | 'rollback',
  flags: Flags,
  version = '',
): Promise<void> {
  const query = change === 'rollback' ? `?version=${encodeURIComponent(version)}` : '';
  const { status, body } = await askAdmin(adminOf(flags), {
    path: `/api/v1/config/${change}${query}`,
    accept: 'application/json',
    method: 'POST',
  });
  const said: unknown = JSON.parse(body);
  if (status !== 200)
    throw new CommandError(detailOf(said) ?? `The gateway answered ${status}: ${body.trim()}`);
  // The gateway's own form, from a gateway of the same version or another one.
  console.log(attemptText(said as ConfigAttempt));
}

function detailOf(said: unknown): string | undefined {
  return typeof said === 'object' && said !== null && 'detail' in said ? String(said.detail) : undefined;
}

/**
 * The admin listener of the running gateway. A file that is broken now does not keep an operator from the gateway that runs without it:
 * then environment and flags say where that is.
 */
function adminOf(flags: Flags): GatewayConfig['admin'] {
  const loaded = loadConfig({ env: process.env, flags, readFile: readConfigFile });
  if (loaded.kind === 'config') return loaded.config.admin;
  const without = loadConfig({ env: process.env, flags, readFile: () => ({ kind: 'text', text: '{}' }) });
  if (without.kind === 'invalid') return configOrFail(flags).config.admin;
  console.warn('⚠ The configuration file is broken; where the gateway is comes from environment and flags.');
  return without.config.admin;
}

/** How long a running gateway may take to answer on its admin listener. */
const timeoutMs = 3_000;

/** Where the admin listener of a running gateway is reached from the same host: a wildcard means loopback. */
function adminUrl({ host, port }: { readonly host: string; readonly port: number }, path: string): string {
  const reachable =
    host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  return `http://${reachable}:${port}${path}`;
}

/** Asks a running gateway; throws a {@link CommandError} when there is none. */
async function askAdmin(
  admin: Pick<GatewayConfig['admin'], 'host' | 'port' | 'token'>,
  {
    path,
    accept,
    method = 'GET',
  }: { readonly path: string; readonly accept: string; readonly method?: 'GET' | 'POST' },
): Promise<{ readonly url: string; readonly status: number; readonly body: string }> {
  const url = adminUrl(admin, path);
  try {
    const response = await fetch(url, {
      method,
      headers: admin.token === 'off' ? { accept } : { accept, authorization: `Bearer ${admin.token}` },
      signal: AbortSignal.timeout(timeoutMs),
      redirect: 'error',
    });
    return { url, status: response.status, body: await response.text() };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CommandError(
      `No gateway answers at ${url} (${why}). Is it running? GATEWAY_ADMIN_HOST and GATEWAY_ADMIN_PORT say where.`,
    );
  }
}
