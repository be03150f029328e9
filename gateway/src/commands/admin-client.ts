import { CommandError } from './program.ts';

/** How long a running gateway may take to answer on its admin listener. */
const timeoutMs = 3_000;

/** Where the admin listener of a running gateway is reached from the same host: a wildcard means loopback. */
export function adminUrl(
  { host, port }: { readonly host: string; readonly port: number },
  path: string,
): string {
  const reachable =
    host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  return `http://${reachable}:${port}${path}`;
}

/** Asks a running gateway; throws a {@link CommandError} when there is none. */
export async function askAdmin(
  url: string,
  accept: string,
): Promise<{ readonly status: number; readonly body: string }> {
  try {
    const response = await fetch(url, {
      headers: { accept },
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
