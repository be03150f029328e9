import { startProcess, type TestProcess } from '../kit/processes.ts';
import { untilAnswers, type Backdrop, type OriginKind } from './backdrop.ts';
import type { Cores } from './cores.ts';
import { freePorts } from '../kit/ports.ts';
import { resetPeak, usageOf, type Usage } from './process-usage.ts';
import type { Contender } from './proxies/contender.ts';

/** A proxy that runs, on its core and in a process group of its own. Ends by `stop`, and with this process. */
export interface ProxyRun {
  readonly contender: Contender;
  readonly port: number;
  /** Where a gateway has its admin listener. */
  readonly adminPort: number;
  usage(): Usage;
  /** Counts the peak of memory from now on. */
  resetPeak(): void;
  stop(): Promise<void>;
}

/** Starts a proxy before the given origins and waits until it serves. Rejects with its output when it doesn't. */
export async function startProxy(
  contender: Contender,
  where: {
    readonly backdrop: Backdrop;
    readonly origins: OriginKind;
    readonly cores: Cores;
    readonly connections?: number | undefined;
  },
): Promise<ProxyRun> {
  const { backdrop, origins, cores } = where;
  const [port = 0, adminPort = 0] = await freePorts(2);
  const start = contender.prepare({
    port,
    adminPort,
    connections: where.connections,
    originPorts: backdrop.originPorts(origins),
    smallPort: backdrop.smallPort(origins),
    consulPort: backdrop.consulPort,
    folder: backdrop.folder,
  });
  const [command = start.command, ...args] = [...cores.proxyPrefix, start.command, ...start.args];
  const child = await startProcess({ command, args, ...(start.env === undefined ? {} : { env: start.env }) });
  await untilServes(child, port);
  return {
    contender,
    port,
    adminPort,
    usage: () => usageOf(child.pid),
    resetPeak: () => {
      resetPeak(child.pid);
    },
    stop: () => child[Symbol.asyncDispose](),
  };
}

async function untilServes(child: TestProcess, port: number): Promise<void> {
  try {
    // More than one answer, so that both origins have been reached.
    for (let count = 0; count < 4; count += 1) await untilAnswers(`http://127.0.0.1:${port}/small`);
  } catch (error) {
    await child[Symbol.asyncDispose]();
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${reason}; it wrote: ${child.output().slice(-500)}`, { cause: error });
  }
}
