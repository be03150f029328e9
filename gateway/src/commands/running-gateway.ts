import { CommandError, configOrFail, type Flags } from './program.ts';

/** `roundhouse routes` and `roundhouse services`: what a running gateway knows, as a table, or as JSON with `--json`. */
export async function show(
  what: 'routes' | 'services',
  flags: Flags & { readonly json?: string },
): Promise<void> {
  const { json, ...rest } = flags;
  const { config } = configOrFail(rest);
  const { status, body } = await askAdmin(adminUrl(config.admin, `/api/${what}`), {
    accept: json === undefined ? 'text/plain' : 'application/json',
    ...authorization(config.admin),
  });
  if (status !== 200) throw new CommandError(`The gateway answered ${status}: ${body.trim()}`);
  console.log(body.trimEnd());
}

/** `roundhouse healthcheck`: succeeds when the gateway on this host is ready. Made for `HEALTHCHECK` in an image. */
export async function healthcheck(flags: Flags): Promise<void> {
  const { config } = configOrFail(flags);
  const url = adminUrl(config.admin, '/readyz');
  const { status, body } = await askAdmin(url, { accept: 'text/plain' });
  if (status !== 200) throw new CommandError(`${url}: ${status} ${body.trim()}`);
  console.log(`OK: ${url}`);
}

/** How long a running gateway may take to answer on its admin listener. */
const timeoutMs = 3_000;

/** Where the admin listener of a running gateway is reached from the same host: a wildcard means loopback. */
function adminUrl({ host, port }: { readonly host: string; readonly port: number }, path: string): string {
  const reachable =
    host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  return `http://${reachable}:${port}${path}`;
}

function authorization({ token }: { readonly token: string }): Readonly<Record<string, string>> {
  return token === 'off' ? {} : { authorization: `Bearer ${token}` };
}

/** Asks a running gateway; throws a {@link CommandError} when there is none. */
async function askAdmin(
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly status: number; readonly body: string }> {
  try {
    const response = await fetch(url, {
      headers,
      signal: AbortSignal.timeout(timeoutMs),
      redirect: 'error',
    });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CommandError(
      `No gateway answers at ${url} (${why}). Is it running? GATEWAY_ADMIN_HOST and GATEWAY_ADMIN_PORT say where.`,
    );
  }
}
