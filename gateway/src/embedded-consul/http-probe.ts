import type { CheckSource, ConsulStatus } from './records.ts';

/** How an HTTP check is run. */
export type HttpSource = Extract<CheckSource, { readonly kind: 'http' }>;

/** The result of one run of an HTTP check. */
export interface HttpCheckResult {
  readonly status: ConsulStatus;
  readonly output: string;
}

/**
 * Runs an HTTP check once, as Consul does (agent/checks/check.go): a new connection, redirects followed, 2xx passing,
 * 429 warning, everything else critical. Ends by the check's timeout or by `signal`; never rejects.
 */
export async function probeHttp(
  { url, timeoutMs }: HttpSource,
  signal: AbortSignal,
): Promise<HttpCheckResult> {
  try {
    const response = await fetch(url, {
      headers: { 'user-agent': 'Consul Health Check', connection: 'close' },
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    await response.body?.cancel();
    return {
      status: response.ok ? 'passing' : response.status === 429 ? 'warning' : 'critical',
      output: `HTTP GET ${url}: ${response.status} ${response.statusText}`,
    };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const why = cause instanceof Error ? cause.message : String(cause);
    return { status: 'critical', output: `GET "${url}": ${why}` };
  }
}
