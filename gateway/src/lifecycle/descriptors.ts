import { readFileSync } from 'node:fs';

/** How the file descriptors that a process may have are shared out. */
export interface DescriptorBudget {
  /** Client connections. */
  readonly clients: number;
  /** Connections to instances: as many, since a request needs one of each. */
  readonly instances: number;
  /** Connections to the admin listener; they are part of what is kept for everything else. */
  readonly admin: number;
}

/** What Consul, the admin listener, checks, the log and the runtime need at most, as far as the limit allows. */
const reserve = 512;

/** Shares out `limit` descriptors. A quarter, 512 at most, is kept for everything that is not traffic. */
export function descriptorBudget(limit: number): DescriptorBudget {
  const kept = Math.min(reserve, limit / 4);
  const share = Math.max(1, Math.floor((limit - kept) / 2));
  return { clients: share, instances: share, admin: Math.max(4, Math.floor(kept / 4)) };
}

/**
 * How many file descriptors this process may have: its soft limit, which Node raises to the hard one when it starts (`nofile`,
 * `ulimit -n`). Infinity where the system has or tells none.
 */
export function descriptorLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return soft === undefined || soft === 'unlimited' ? Infinity : Number(soft);
  } catch {
    return reportedLimit();
  }
}

/** Where there is no `/proc` (macOS, the BSDs). Takes some milliseconds. */
function reportedLimit(): number {
  const report: unknown = process.report.getReport();
  if (typeof report !== 'object' || report === null || !('userLimits' in report)) return Infinity;
  const { userLimits } = report;
  if (typeof userLimits !== 'object' || userLimits === null || !('open_files' in userLimits)) return Infinity;
  const { open_files: files } = userLimits;
  const soft: unknown =
    typeof files === 'object' && files !== null && 'soft' in files ? files.soft : undefined;
  return typeof soft === 'number' ? soft : Infinity;
}
