import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Which processor cores do what, and how a command is put on one. */
export interface Cores {
  /** Words before the command of a proxy that put it on its core; empty where nothing is pinned. */
  readonly proxyPrefix: readonly string[];
  /** For the report. */
  readonly description: string;
}

/** `0-2,5` as `[0, 1, 2, 5]` (the form of `Cpus_allowed_list` in proc_pid_status(5)). */
export function parseCoreList(text: string): readonly number[] {
  return text
    .trim()
    .split(',')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [first = NaN, last = first] = part.split('-').map(Number);
      if (!Number.isInteger(first) || !Number.isInteger(last)) return [];
      return Array.from({ length: Math.max(0, last - first + 1) }, (_, offset) => first + offset);
    });
}

/**
 * Keeps the last core for the proxy that is being measured, and moves this process, and with it every child that is
 * not told otherwise (origins, generator, registry), to the others. Does nothing where `taskset` or a second core is missing.
 */
export function planCores(): Cores {
  const cores = allowedCores();
  const proxy = cores.at(-1);
  const others = cores.slice(0, -1);
  if (proxy === undefined || others.length === 0) return unpinned('there is only one core');
  const moved = spawnSync('taskset', ['-acp', others.join(','), String(process.pid)], { stdio: 'ignore' });
  if (moved.status !== 0) return unpinned('taskset (of util-linux) is missing or may not be used');
  return {
    proxyPrefix: ['taskset', '-c', String(proxy)],
    description: `proxy on core ${proxy}, generator, origins and registry on core ${others.join(', ')}`,
  };
}

function unpinned(reason: string): Cores {
  return { proxyPrefix: [], description: `nothing is pinned: ${reason}` };
}

function allowedCores(): readonly number[] {
  try {
    const line = /^Cpus_allowed_list:(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    return parseCoreList(line?.[1] ?? '');
  } catch {
    return [];
  }
}

/** Lets this process and its children open more files where that is permitted. Returns how many it may open now. */
export function raiseFileLimit(wanted: number): number {
  spawnSync('prlimit', ['--pid', String(process.pid), `--nofile=${wanted}:${wanted}`], { stdio: 'ignore' });
  try {
    const line = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    return Number(line?.[1] ?? 1024);
  } catch {
    return 1024;
  }
}

/** How many idle connections are measured: a proxy that keeps a second file for each, and some of its own, must have room for all. */
export function idleConnectionsWithin(files: number): number {
  return Math.min(10_000, Math.max(100, Math.floor((files - 2_000) / 2)));
}
