import { readdirSync, readlinkSync } from 'node:fs';

import WebSocket from 'ws';

import { eventually } from '../../kit/eventually.ts';
import type { TestProcess } from '../../kit/processes.ts';

/** What a process holds, after its garbage has been collected. */
export interface Holdings {
  /** Open sockets, by the kernel's account. */
  readonly sockets: number;
  /** All open file descriptors. */
  readonly descriptors: number;
  readonly timers: number;
  readonly heapBytes: number;
}

/** Starts a process of Node so that {@link holdings} can look inside. */
export const inspectable: readonly string[] = ['--inspect=127.0.0.1:0'];

/** Looks inside a process that was started with {@link inspectable}, through V8's own inspector; leaves nothing behind in it. */
export async function holdings(process: TestProcess): Promise<Holdings> {
  const [, url = ''] = await process.waitFor(/Debugger listening on (ws:\S+)/);
  const inspector = new WebSocket(url);
  await new Promise<void>((resolve, reject) => inspector.once('open', resolve).once('error', reject));
  let calls = 0;
  const call = (method: string, params: object = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const id = (calls += 1);
      const heard = (data: WebSocket.RawData): void => {
        const answer = JSON.parse((data as Buffer).toString()) as {
          id?: number;
          result?: unknown;
          error?: unknown;
        };
        if (answer.id !== id) return;
        inspector.off('message', heard);
        if (answer.error === undefined) resolve(answer.result);
        else reject(new Error(`${method}: ${JSON.stringify(answer.error)}`));
      };
      inspector.on('message', heard);
      inspector.send(JSON.stringify({ id, method, params }));
    });
  try {
    await call('HeapProfiler.collectGarbage');
    const expression =
      '({ heap: process.memoryUsage().heapUsed, timers: process.getActiveResourcesInfo().filter((r) => r === "Timeout").length })';
    const { result } = (await call('Runtime.evaluate', { expression, returnByValue: true })) as {
      result: { value: { heap: number; timers: number } };
    };
    return { ...descriptorsOf(process.pid), heapBytes: result.value.heap, timers: result.value.timers };
  } finally {
    inspector.close();
    await new Promise((resolve) => inspector.once('close', resolve));
  }
}

/** The inspector's own connection is one of the sockets, before and after. */
function descriptorsOf(pid: number): { readonly sockets: number; readonly descriptors: number } {
  const folder = `/proc/${pid}/fd`;
  const links = readdirSync(folder).flatMap((name) => {
    try {
      return [readlinkSync(`${folder}/${name}`)];
    } catch {
      // Closed since the folder was read.
      return [];
    }
  });
  return { sockets: links.filter((link) => link.startsWith('socket:')).length, descriptors: links.length };
}

/** More than 5 % above its baseline is a leak; below these amounts 5 % is less than the process breathes. */
const slack = { sockets: 2, timers: 3, heapBytes: 3_000_000 } as const;

/** Waits until a process holds no more than at its baseline. Rejects with both when it does not let go within `deadlineMs`. */
export async function untilBaseline(
  process: TestProcess,
  baseline: Holdings,
  deadlineMs = 30_000,
): Promise<Holdings> {
  return eventually(
    async () => {
      const now = await holdings(process);
      for (const what of ['sockets', 'timers', 'heapBytes'] as const) {
        if (now[what] > Math.max(baseline[what] * 1.05, baseline[what] + slack[what]))
          throw new Error(`${what} leak: ${JSON.stringify({ baseline, now })}`);
      }
      return now;
    },
    deadlineMs,
    500,
  );
}
