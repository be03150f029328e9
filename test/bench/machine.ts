import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem, type as systemName } from 'node:os';

import { repositoryRoot } from '../kit/processes.ts';

/** Where and with what something was measured. */
export interface Machine {
  readonly date: string;
  /** `1a2b3c4`, with `+` when files differ from it. */
  readonly commit: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  /** Load average over a minute at the start: beyond a few tenths, other processes were measured too. */
  readonly loadAverage: number;
}

export function describeMachine(): Machine {
  const processors = cpus();
  return {
    date: new Date().toISOString(),
    commit: commit(),
    processor: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: `${systemName()} ${release()}`,
    node: process.version,
    loadAverage: loadavg()[0] ?? 0,
  };
}

/** One line for a report. */
export function machineLine(machine: Machine): string {
  const { date, commit: at, processor, cores, memoryGb, kernel, node, loadAverage } = machine;
  return `${date.slice(0, 16).replace('T', ' ')} UTC, commit ${at}, ${cores} × ${processor}, ${memoryGb} GB, ${kernel}, Node ${node}, load average before ${loadAverage.toFixed(1)}`;
}

function commit(): string {
  try {
    const git = (...args: readonly string[]): string =>
      execFileSync('git', args, {
        cwd: repositoryRoot,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    const changed = git('status', '--porcelain', '--untracked-files=no').trim() !== '';
    return git('rev-parse', '--short', 'HEAD').trim() + (changed ? '+' : '');
  } catch {
    return 'unknown';
  }
}
