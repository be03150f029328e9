import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.ts';

/** The repository's root, where processes start by default. */
export const repositoryRoot: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Output beyond this is forgotten, oldest first. */
const maxOutputLength = 2 ** 20;
const stopDeadlineMs = 30_000;

/** What to start. */
export interface ProcessOptions {
  /** For `node`, or for `command`. Paths are relative to `cwd`. */
  readonly args: readonly string[];
  /** Default: the Node that runs the test. */
  readonly command?: string;
  /**
   * The environment, in addition to PATH, HOME and TMPDIR. Nothing else of the test's own is passed on: a
   * developer's `CONSUL_HTTP_ADDR` is not part of a test.
   */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: {@link repositoryRoot}. */
  readonly cwd?: string;
}

/** How a process ended: one of the two is null. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that a test started, with everything that it starts in turn (it leads a process group of its own). */
export interface TestProcess extends AsyncDisposable {
  readonly pid: number;
  /** What it wrote to stdout and stderr so far, in the order of arrival. */
  output(): string;
  /** The same, of stdout alone. */
  stdout(): string;
  /**
   * Waits until the output matches and returns the match. Rejects with the output when the process ends before, or
   * after `deadlineMs` (default 10,000).
   */
  waitFor(pattern: RegExp, deadlineMs?: number): Promise<RegExpExecArray>;
  /** Sends a signal to the process itself, not to its group. */
  signal(signal: NodeJS.Signals): void;
  /** Resolves when it has ended and its output is complete. */
  readonly ended: Promise<ProcessEnd>;
  /** Sends the signal (default SIGTERM) and waits for the end. After 30 s the group is killed, and it rejects with the output. */
  stop(signal?: NodeJS.Signals): Promise<ProcessEnd>;
  /** Whether any process of the group is left: `empty` once it has ended with everything it started. */
  group(): 'empty' | 'running';
  /** Kills what is left of the group and waits until nothing is. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a process of ours for a test:
 *
 *     await using gateway = await startProcess({ args: ['gateway/dist/cli.js', 'run'], env: { GATEWAY_PORT: '0' } });
 *     const [, port] = await gateway.waitFor(/listening on .*:(\d+)/);
 *
 * Rejects when it cannot be started at all. It is killed at the end of the scope, and when the test's process exits.
 */
export async function startProcess(options: ProcessOptions): Promise<TestProcess> {
  const { args, command = process.execPath, cwd = repositoryRoot } = options;
  const child = spawn(command, args, {
    cwd,
    env: environment(options.env ?? {}),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  await once(child, 'spawn');
  return follow(child, [command, ...args].join(' '));
}

function environment(own: Readonly<Record<string, string | undefined>>): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, TMPDIR, NO_COLOR: '1', ...own };
}

function follow(child: ChildProcess, title: string): TestProcess {
  const pid = child.pid ?? 0;
  let output = '';
  let stdout = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-maxOutputLength);
    stdout = (stdout + text).slice(-maxOutputLength);
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-maxOutputLength);
  });
  const story = (what: string) => new Error(`${title}: ${what}. Its output:\n${output}`);

  let end: ProcessEnd | undefined;
  const ended = new Promise<ProcessEnd>((resolve) => {
    child.once('close', (code, signal) => {
      end = { code, signal };
      resolve(end);
    });
  });
  const killGroup = () => {
    killAll(pid);
  };
  living.add(pid);

  return {
    pid,
    output: () => output,
    stdout: () => stdout,
    ended,
    async waitFor(pattern, deadlineMs = 10_000) {
      const outcome = await eventually(() => {
        const match = pattern.exec(output);
        if (match !== null) return match;
        if (end !== undefined) return story(`ended with ${describe(end)} before it wrote ${String(pattern)}`);
        throw story(`did not write ${String(pattern)} within ${deadlineMs} ms`);
      }, deadlineMs);
      if (outcome instanceof Error) throw outcome;
      return outcome;
    },
    signal(signal) {
      child.kill(signal);
    },
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      const deadline = setTimeout(killGroup, stopDeadlineMs);
      const how = await ended;
      clearTimeout(deadline);
      if (how.signal === 'SIGKILL' && signal !== 'SIGKILL')
        throw story(`was killed, because it did not end within ${stopDeadlineMs} ms of ${signal}`);
      return how;
    },
    group: () => groupState(pid),
    async [Symbol.asyncDispose]() {
      killGroup();
      await ended;
      await eventually(() => {
        if (groupState(pid) === 'running') throw story('a process of its group does not go away');
      });
      living.delete(pid);
    },
  };
}

/** The groups that have not been disposed of. One listener for all: a test may start more processes than an emitter likes. */
const living = new Set<number>();
process.once('exit', () => {
  for (const pid of living) killAll(pid);
});

function killAll(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left.
  }
}

/** Whether a group has a living member. One that has ended and waits for init to notice is not living. */
function groupState(pid: number): 'empty' | 'running' {
  try {
    process.kill(-pid, 0);
  } catch {
    return 'empty';
  }
  if (!existsSync('/proc/self/stat')) return 'running';
  const living = readdirSync('/proc').some((entry) => /^\d+$/.test(entry) && isLivingMember(entry, pid));
  return living ? 'running' : 'empty';
}

/** Reads `pid (name) state ppid pgrp …`; the name may contain anything, parentheses too (proc_pid_stat(5)). */
function isLivingMember(entry: string, group: number): boolean {
  try {
    const stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
    const [state, , leader] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(leader) === group && state !== 'Z' && state !== 'X';
  } catch {
    return false;
  }
}

function describe({ code, signal }: ProcessEnd): string {
  return signal === null ? `code ${String(code)}` : signal;
}
