import { summaryOf } from './result-table.ts';
import type { ScenarioResult, Summary } from './compare.ts';

/** A promise that the wire engine is held to, and what came out. */
export interface GoalResult {
  readonly goal: string;
  readonly measured: number;
  readonly limit: number;
  readonly verdict: 'reached' | 'missed';
}

interface Goal {
  readonly goal: string;
  readonly scenario: string;
  /** The row it is compared with; undefined for an absolute figure. */
  readonly against: string | undefined;
  readonly limit: number;
  pick(summary: Summary): number | undefined;
}

const cpu = (summary: Summary): number | undefined => summary.cpuUs;

const goals: readonly Goal[] = [
  { goal: 'small GET: CPU ÷ HAProxy', scenario: 'small', against: 'haproxy', limit: 1.3, pick: cpu },
  { goal: 'small GET: CPU ÷ Caddy', scenario: 'small', against: 'caddy', limit: 0.3, pick: cpu },
  {
    goal: 'small GET: CPU ÷ classic load balancer',
    scenario: 'small',
    against: 'classic-load-balancer',
    limit: 0.1,
    pick: cpu,
  },
  { goal: '100 KB responses: CPU ÷ HAProxy', scenario: '100k', against: 'haproxy', limit: 1.3, pick: cpu },
  { goal: '1 MB responses: CPU ÷ HAProxy', scenario: '1m', against: 'haproxy', limit: 1.3, pick: cpu },
  {
    goal: 'fixed 5,000 requests/s: p99 ÷ HAProxy',
    scenario: 'fixed',
    against: 'haproxy',
    limit: 2,
    pick: (summary) => summary.p99Us,
  },
  {
    goal: 'KB per idle connection',
    scenario: 'idle',
    against: undefined,
    limit: 12,
    pick: (summary) =>
      summary.bytesPerConnection === undefined ? undefined : summary.bytesPerConnection / 1024,
  },
];

/** Which goals the row `wire` reaches; those for which this run has no figures are left out. */
export function judgeGoals(results: readonly ScenarioResult[]): readonly GoalResult[] {
  return goals.flatMap(({ goal, scenario, against, limit, pick }) => {
    const rows = results.find((result) => result.scenario === scenario)?.rows ?? [];
    const value = pickFrom(summaryOf(rows, 'wire'), pick);
    const other = against === undefined ? 1 : pickFrom(summaryOf(rows, against), pick);
    if (value === undefined || other === undefined || other === 0) return [];
    const measured = value / other;
    return [
      { goal, measured, limit, verdict: measured <= limit ? ('reached' as const) : ('missed' as const) },
    ];
  });
}

function pickFrom(
  summary: Summary | undefined,
  pick: (summary: Summary) => number | undefined,
): number | undefined {
  return summary === undefined ? undefined : pick(summary);
}
