import { readFileSync, readdirSync, writeFileSync } from 'node:fs';

/** What all processes of a group have used so far, and what they hold now. */
export interface Usage {
  /** User and system time, in microseconds. */
  readonly cpuUs: number;
  /** Resident memory now, summed (pages shared by several processes count for each). */
  readonly residentBytes: number;
  /** The most that was resident since the start or since {@link resetPeak}, summed. */
  readonly peakBytes: number;
}

/** What proc_pid_stat(5) says about one process. */
export interface ProcessStat {
  /** `ended`: it waits for its parent to notice, and has no memory any more. */
  readonly state: 'living' | 'ended';
  readonly group: number;
  /** User and system time in clock ticks. */
  readonly cpuTicks: number;
}

/** `/proc/PID/stat` has 100 ticks a second on every Linux platform that Node runs on (`getconf CLK_TCK`). */
const usPerTick = 10_000;

/** Reads `pid (name) state ppid pgrp …`; the name may contain anything, parentheses and spaces too. */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : 'living';
  return { state, group: Number(fields[2]), cpuTicks: Number(fields[11]) + Number(fields[12]) };
}

/** A value such as `VmHWM:   1234 kB` of proc_pid_status(5), in bytes; 0 where it is missing. */
export function parseStatusBytes(text: string, name: string): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
  return Number(line?.[1] ?? 0) * 1024;
}

/** Sums over the processes of a group. Throws when there is none: a proxy that died has no usage. */
export function usageOf(group: number): Usage {
  const members = membersOf(group);
  if (members.length === 0) throw new Error('the proxy has ended');
  let [cpuUs, residentBytes, peakBytes] = [0, 0, 0];
  for (const { pid, stat } of members) {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    cpuUs += schedulerUs(pid) ?? stat.cpuTicks * usPerTick;
    residentBytes += parseStatusBytes(status, 'VmRSS');
    peakBytes += parseStatusBytes(status, 'VmHWM');
  }
  return { cpuUs, residentBytes, peakBytes };
}

/** Starts the count of `peakBytes` anew (proc_pid_clear_refs(5)); where that isn't permitted, the old peak goes on. */
export function resetPeak(group: number): void {
  for (const { pid } of membersOf(group)) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, '5');
    } catch {
      // It has ended, or belongs to another user.
    }
  }
}

function membersOf(group: number): readonly { readonly pid: string; readonly stat: ProcessStat }[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const stat = parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
      return stat.group === group && stat.state === 'living' ? [{ pid, stat }] : [];
    } catch {
      return [];
    }
  });
}

/**
 * The same time as in `stat`, but in nanoseconds instead of ticks of 10 ms: the scheduler's account of each thread. Undefined
 * where the kernel keeps none. Threads that have ended are missing; none of the proxies here ends threads under load.
 */
function schedulerUs(pid: string): number | undefined {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const nanoseconds = threads.map((thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
    );
    const sum = nanoseconds.reduce((total, one) => total + one, 0);
    return sum > 0 ? sum / 1000 : undefined;
  } catch {
    return undefined;
  }
}
