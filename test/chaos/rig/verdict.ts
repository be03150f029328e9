import type { TestProcess } from '../../kit/processes.ts';
import type { LoadReport } from './load.ts';
import type { Journal } from './origins.ts';

/** The oracle's findings about a load (reference: an intermediary's duties under failure). All empty: nothing was lost. */
export interface Verdict {
  /** (a) Requests without the right answer, by method and kind, with the first few of each. */
  readonly failed: Readonly<Record<string, number>>;
  readonly samples: Readonly<Record<string, readonly string[]>>;
  /** (b) Requests that are not idempotent and that were executed more than once. */
  readonly duplicated: readonly string[];
  /** (c) Answers that belong to another request, or come from another service. */
  readonly crossed: readonly string[];
  /** Requests that were answered with 200 and that no instance has executed. */
  readonly invented: readonly string[];
  /** (e) Lines in the output of any process that tell of a mistake in the program. */
  readonly faults: readonly string[];
}

/** What a scenario without any loss looks like. */
export const nothingLost: Verdict = {
  failed: {},
  samples: {},
  duplicated: [],
  crossed: [],
  invented: [],
  faults: [],
};

const idempotent = new Set(['GET', 'HEAD', 'PUT', 'DELETE']);
const mistakes =
  /uncaught|unhandled|MaxListenersExceeded|mistake of the gateway|(?:Type|Range|Reference|Syntax)Error|ERR_(?!NO_COLOR)|heap out of memory/i;

/** Compares what the client was told with what the instances have on record. */
export function judge(
  report: LoadReport,
  { journal, processes }: { readonly journal: Journal; readonly processes: readonly TestProcess[] },
): Verdict {
  const executions = new Map<string, { readonly method: string; count: number }>();
  for (const { id, method } of journal.read()) {
    if (!id.startsWith(`${report.run}-`)) continue;
    const known = executions.get(id);
    if (known === undefined) executions.set(id, { method, count: 1 });
    else known.count += 1;
  }
  const duplicated = [...executions].flatMap(([id, { method, count }]) =>
    count > 1 && !idempotent.has(method) ? [`${method} ${id} ${count} times`] : [],
  );
  const failed = new Set(report.failedNumbers);
  const invented: string[] = [];
  for (let n = 0; n < report.sent; n += 1) {
    const id = `${report.run}-${n}`;
    if (!failed.has(n) && !executions.has(id)) invented.push(id);
  }
  return {
    failed: report.failures,
    samples: report.samples,
    duplicated,
    crossed: report.crossed,
    invented,
    faults: processes.flatMap(faultsIn),
  };
}

/** Lines of a process that no fault from outside explains. */
export function faultsIn(process: TestProcess): readonly string[] {
  return process
    .output()
    .split('\n')
    .filter((line) => mistakes.test(line));
}

/** How many failures a verdict holds that `allowed` does not excuse; for scenarios in which the RFCs force some. */
export function unexcused(verdict: Verdict, allowed: RegExp): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(verdict.failed).filter(([kind]) => !allowed.test(kind)));
}
