import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

import type { CheckSource, CheckStatus } from './records.ts';

export type HttpSource = Extract<CheckSource, { readonly kind: 'http' }>;

export interface ProbeResult {
  readonly status: CheckStatus;
  readonly output: string;
}

const maxBodyBytes = 4_096;
const maxRedirects = 10;

/**
 * Runs an HTTP check once, as Consul does (agent/checks/check.go): a fresh connection, redirects followed, 2xx passing,
 * 429 warning, everything else critical. Ends by the check's timeout or by `signal`; never rejects.
 */
export async function probeHttp(source: HttpSource, signal: AbortSignal): Promise<ProbeResult> {
  const deadline = new AbortController();
  const timer = setTimeout(() => {
    deadline.abort(new Error(`no answer within ${source.timeoutMs} ms`));
  }, source.timeoutMs);
  try {
    const answer = await follow(source, source.url, AbortSignal.any([signal, deadline.signal]));
    const { status, reason } = answer;
    return {
      status: status >= 200 && status < 300 ? 'passing' : status === 429 ? 'warning' : 'critical',
      output: `HTTP ${source.method} ${source.url}: ${status} ${reason} Output: ${answer.body}`,
    };
  } catch (error) {
    const cause: unknown = deadline.signal.aborted ? deadline.signal.reason : error;
    const why = cause instanceof Error ? cause.message : String(cause);
    return { status: 'critical', output: `${source.method} "${source.url}": ${why}` };
  } finally {
    clearTimeout(timer);
  }
}

interface ProbeAnswer {
  readonly status: number;
  readonly reason: string;
  readonly body: string;
  readonly location: string | undefined;
}

async function follow(source: HttpSource, url: string, signal: AbortSignal): Promise<ProbeAnswer> {
  let at = url;
  for (let hops = 0; hops <= maxRedirects; hops++) {
    const answer = await ask(source, new URL(at), signal);
    const redirected = [301, 302, 303, 307, 308].includes(answer.status) && answer.location !== undefined;
    if (!redirected) return answer;
    at = new URL(answer.location, at).href;
  }
  throw new Error(`stopped after ${maxRedirects} redirects`);
}

function ask(source: HttpSource, url: URL, signal: AbortSignal): Promise<ProbeAnswer> {
  return new Promise((resolve, reject) => {
    const options = {
      method: source.method,
      agent: false as const,
      signal,
      headers: {
        'User-Agent': 'Consul Health Check',
        Accept: 'text/plain, text/*, */*',
        Connection: 'close',
        ...source.headers,
      },
    };
    const onResponse = (response: IncomingMessage): void => {
      collect(response).then(resolve, reject);
    };
    const request =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, rejectUnauthorized: source.tls === 'verify' }, onResponse)
        : httpRequest(url, options, onResponse);
    request.on('error', reject);
    request.end(source.body);
  });
}

/** Takes the first bytes of an answer; the rest doesn't matter and is not waited for. */
async function collect(response: IncomingMessage): Promise<ProbeAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue;
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= maxBodyBytes) break;
  }
  return {
    status: response.statusCode ?? 0,
    reason: response.statusMessage ?? '',
    body: Buffer.concat(chunks).subarray(0, maxBodyBytes).toString('utf8'),
    location: response.headers.location,
  };
}
