import type { Backdrop } from './backdrop.ts';
import type { Cores } from './cores.ts';
import type { Contender } from './proxies/contender.ts';
import { startProxy, type ProxyRun } from './proxy-run.ts';
import type { Sample, Scenario } from './scenario.ts';
import { median, spread } from './statistics.ts';

/** What one proxy did in one scenario: medians over its rounds, or why there are none. */
export type RowResult =
  | {
      readonly kind: 'measured';
      readonly row: string;
      readonly summary: Summary;
      readonly samples: readonly Sample[];
    }
  | { readonly kind: 'failed'; readonly row: string; readonly reason: string };

/** Medians; `cpuSpread` is (largest − smallest) / median of `cpuUs`, `errors` a sum. */
export interface Summary extends Sample {
  readonly cpuSpread: number;
}

export interface ScenarioResult {
  readonly scenario: string;
  readonly title: string;
  readonly method: string;
  readonly rows: readonly RowResult[];
}

/**
 * Runs one scenario: fresh proxies, all warmed up at once, then measured in turns (A B C C B A …), so that whatever else the machine
 * does hits all of them, and none always comes after the same other one. A proxy that fails loses its row, not the run. Every proxy has ended when it resolves.
 */
export async function runScenario(
  scenario: Scenario,
  candidates: readonly Contender[],
  {
    backdrop,
    cores,
    progress,
  }: {
    readonly backdrop: Backdrop;
    readonly cores: Cores;
    readonly progress: (text: string) => void;
  },
): Promise<ScenarioResult> {
  const contenders = candidates.filter(({ name }) => scenario.rows?.includes(name) ?? true);
  const failures = new Map<string, string>();
  const samples = new Map<string, Sample[]>();
  let runs: readonly ProxyRun[] = [];

  /** Does something with a proxy; false when that failed, and the failure is noted. */
  const guarded = async <T>(name: string, act: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await act();
    } catch (error) {
      failures.set(name, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  };

  try {
    await backdrop.register(scenario.origins);
    const started = await Promise.all(
      contenders.map((contender) =>
        guarded(contender.name, () => startProxy(contender, { backdrop, cores, origins: scenario.origins })),
      ),
    );
    runs = started.filter((run) => run !== undefined);
    progress(`${scenario.name}: warming up`);
    await Promise.all(runs.map((run) => guarded(run.contender.name, () => scenario.warmUp(run))));
    for (let round = 1; round <= scenario.rounds; round += 1) {
      for (const run of round % 2 === 0 ? runs.toReversed() : runs) {
        const { name } = run.contender;
        if (failures.has(name)) continue;
        progress(`${scenario.name}: round ${round} of ${scenario.rounds}, ${name}`);
        const sample = await guarded(name, () => scenario.measure(run));
        if (sample !== undefined) samples.set(name, [...(samples.get(name) ?? []), sample]);
      }
    }
  } finally {
    await Promise.all(runs.map((run) => run.stop()));
  }

  const rows = contenders.map(({ name }): RowResult => {
    const taken = samples.get(name) ?? [];
    const reason = failures.get(name);
    if (reason !== undefined || taken.length === 0)
      return { kind: 'failed', row: name, reason: reason ?? 'not measured' };
    return { kind: 'measured', row: name, summary: summarise(taken), samples: taken };
  });
  const { name, title, method } = scenario;
  return { scenario: name, title, method, rows };
}

function summarise(samples: readonly Sample[]): Summary {
  const present = (pick: (sample: Sample) => number | undefined): readonly number[] =>
    samples.map(pick).filter((value) => value !== undefined);
  const middle = (pick: (sample: Sample) => number | undefined): number | undefined => {
    const values = present(pick);
    return values.length === 0 ? undefined : median(values);
  };
  return {
    perSecond: middle((sample) => sample.perSecond),
    cpuUs: middle((sample) => sample.cpuUs),
    cpuShare: middle((sample) => sample.cpuShare),
    p50Us: middle((sample) => sample.p50Us),
    p99Us: middle((sample) => sample.p99Us),
    peakBytes: Math.max(...samples.map((sample) => sample.peakBytes)),
    bytesPerConnection: middle((sample) => sample.bytesPerConnection),
    errors: samples.reduce((sum, sample) => sum + sample.errors, 0),
    cpuSpread: spread(present((sample) => sample.cpuUs)),
  };
}
