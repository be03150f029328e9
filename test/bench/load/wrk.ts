import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { startProcess } from '../../kit/processes.ts';
import type { LoadRequest, LoadResult } from './load.ts';

/** The version of wrk on the PATH, or undefined. */
export function findWrk(): string | undefined {
  // It has no success code for this: `wrk -v` prints the version and its usage.
  const { stdout, error } = spawnSync('wrk', ['-v'], { encoding: 'utf8' });
  if (error !== undefined) return undefined;
  return /^wrk (?:debian\/)?(\S+)/m.exec(stdout)?.[1] ?? 'unknown';
}

/** The numbers of a run as one line of JSON; its own summary rounds them. Latencies are in µs. */
const report = `
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('RESULT {"requests":%d,"bytes":%d,"elapsedUs":%d,"p50Us":%d,"p99Us":%d,"errors":%d}\\n', summary.requests - e.status,
    summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
`;

function script({ uploadBytes, connectionUse }: LoadRequest): string {
  const upload =
    uploadBytes > 0
      ? `wrk.method = "POST"\nwrk.body = string.rep("x", ${uploadBytes})\nwrk.headers["Content-Type"] = "application/octet-stream"\n`
      : '';
  const renewed = connectionUse === 'renewed' ? 'wrk.headers["Connection"] = "close"\n' : '';
  return upload + renewed + report;
}

/** What a run needs besides the URL; `scriptFile` by {@link writeWrkScript}. */
export interface WrkOptions {
  readonly scriptFile: string;
  readonly connections: number;
  readonly seconds: number;
}

/** Writes the script for a request and returns its path. Once for all runs: a file that is being rewritten reads as empty. */
export function writeWrkScript(folder: string, request: LoadRequest): string {
  const file = join(folder, `wrk-${request.path.slice(1)}-${request.connectionUse}.lua`);
  writeFileSync(file, script(request));
  return file;
}

/** One run of wrk with one thread, for whole seconds. It is ended when it takes 10 s longer than it should. */
export async function wrk(
  url: string,
  { scriptFile, connections, seconds }: WrkOptions,
): Promise<LoadResult & { readonly bytes: number }> {
  const child = await startProcess({
    command: 'wrk',
    args: ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '-s', scriptFile, url],
  });
  try {
    const [, json = ''] = await child.waitFor(/^RESULT (\{.*\})$/m, (seconds + 10) * 1000);
    const result = JSON.parse(json) as Record<
      'requests' | 'bytes' | 'elapsedUs' | 'p50Us' | 'p99Us' | 'errors',
      number
    >;
    return {
      requests: result.requests,
      bytes: result.bytes,
      elapsedMs: result.elapsedUs / 1000,
      p50Us: result.p50Us,
      p99Us: result.p99Us,
      errors: result.errors,
    };
  } finally {
    await child[Symbol.asyncDispose]();
  }
}
