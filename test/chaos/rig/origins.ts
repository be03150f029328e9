import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { get } from '../../kit/load.ts';
import { startProcess, type TestProcess } from '../../kit/processes.ts';
import { chaosProgram } from './program.ts';

/** How an origin can be told to misbehave: what each does is in `origin.ts`. */
export type OriginMode =
  'healthy' | 'hang' | 'error' | 'unavailable' | 'slow' | 'slow-head' | 'slow-body' | 'reset';

/** An instance as a process of its own, started by the SDK. */
export interface Origin extends AsyncDisposable {
  readonly process: TestProcess;
  /** Its instance id in Consul. */
  readonly id: string;
  readonly port: number;
  /** Changes what it does with requests from now on. */
  become(mode: OriginMode): Promise<void>;
  /**
   * Ends the service that it is without deregistering it or finishing anything, and starts another on the same port. Resolves with the new
   * instance's id. The SDK would clear up behind itself; a test that wants the catalog to lag has to keep it from that.
   */
  swap(service: string): Promise<string>;
}

export interface OriginOptions {
  readonly consul: string;
  readonly journal: Journal;
  /** Default `api-service`, with the route `/api`. */
  readonly service?: string;
  readonly routes?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts an instance; resolves when it is registered. */
export async function startOrigin(options: OriginOptions): Promise<Origin> {
  const child = await startProcess({
    args: [chaosProgram('origin')],
    env: {
      CONSUL_HTTP_ADDR: options.consul,
      HOST: '127.0.0.1',
      JOURNAL: options.journal.newFile(),
      SERVICE_NAME: options.service ?? 'api-service',
      ROUTES: options.routes ?? '/api',
      ...options.env,
    },
  });
  const [, line = '{}'] = await child.waitFor(/chaos origin (\{.*\})/, 20_000);
  const { id, port, control } = JSON.parse(line) as { id: string; port: number; control: number };
  return {
    process: child,
    id,
    port,
    async become(mode) {
      const { body } = await get(`http://127.0.0.1:${control}/?mode=${mode}`);
      if (body !== mode) throw new Error(`the origin is ${body}, not ${mode}`);
    },
    async swap(service) {
      const { status, body } = await get(`http://127.0.0.1:${control}/?swap=${service}`);
      if (status !== 200) throw new Error(body);
      return body;
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

/** One execution of a request by an instance. */
export interface Execution {
  readonly id: string;
  readonly method: string;
  readonly instance: string;
}

/** What all instances of a scenario have executed: a folder of files, one per process, that outlive their writers. */
export interface Journal extends Disposable {
  /** A file for one more instance. */
  newFile(): string;
  read(): readonly Execution[];
}

/** The folder is removed with it. */
export function createJournal(): Journal {
  const folder = mkdtempSync(join(tmpdir(), 'roundhouse-chaos-'));
  let files = 0;
  return {
    newFile: () => join(folder, `${(files += 1)}.journal`),
    read: () =>
      readdirSync(folder).flatMap((name) =>
        readFileSync(join(folder, name), 'latin1')
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => {
            const [id = '', method = '', instance = ''] = line.split(' ');
            return { id, method, instance };
          }),
      ),
    [Symbol.dispose]: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
