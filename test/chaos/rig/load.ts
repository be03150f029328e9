import { eventually } from '../../kit/eventually.ts';
import { startProcess, type TestProcess } from '../../kit/processes.ts';
import { chaosProgram } from './program.ts';

/** What is sent, and by whom it has to be answered. */
export interface LoadOptions {
  readonly url: string;
  readonly perSecond: number;
  /** Taken in turns. Default: `/api/x` of `api-service`. */
  readonly targets?: readonly { readonly path: string; readonly service: string }[];
  /** `all` (default): two of ten requests are POSTs, which must not be executed twice. `idempotent`: none is. */
  readonly mix?: 'all' | 'idempotent';
  /** Default 30 s. */
  readonly patienceMs?: number;
}

/** One line of progress: totals, and what was answered since the line before, by instance. */
export interface Progress {
  readonly atMs: number;
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
  readonly pending: number;
  readonly recent: Readonly<Record<string, number>>;
  readonly recentFailed: number;
}

/** Everything there is to know of a load that has ended. */
export interface LoadReport {
  readonly run: string;
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
  /** Counts by what went wrong: `POST 502 upstream_reset`, `GET ECONNRESET`. */
  readonly failures: Readonly<Record<string, number>>;
  readonly samples: Readonly<Record<string, readonly string[]>>;
  /** The id of request number n is `run-n`. */
  readonly failedNumbers: readonly number[];
  /** Answers that belong to another request or come from another service. */
  readonly crossed: readonly string[];
  readonly byInstance: Readonly<Record<string, number>>;
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

/** A load that runs in a process of its own, so that it keeps its pace whatever the test does. */
export interface ChaosLoad extends AsyncDisposable {
  readonly process: TestProcess;
  progress(): Progress;
  /** Waits until so many more requests have been answered: a condition, whatever the speed of the machine. */
  untilAnswered(more: number): Promise<void>;
  /**
   * Waits until, over the last `count` answers or so, `wanted` holds; passes on how long that took. Rejects after `deadlineMs` with
   * what the last ones were.
   */
  untilShares(
    wanted: (share: (instance: string) => number, failed: number) => boolean,
    options?: { readonly count?: number; readonly deadlineMs?: number },
  ): Promise<number>;
  /** Sends no more, waits for the answers that are due. */
  stop(): Promise<LoadReport>;
}

let runs = 0;
const pollMs = 50;

/** Starts sending at once. */
export async function startChaosLoad(options: LoadOptions): Promise<ChaosLoad> {
  const run = `r${process.pid}x${(runs += 1)}`;
  const full = {
    targets: [{ path: '/api/x', service: 'api-service' }],
    mix: 'all',
    patienceMs: 30_000,
    run,
    ...options,
  };
  const child = await startProcess({ args: [chaosProgram('load-client'), JSON.stringify(full)] });
  await child.waitFor(/"kind":"progress".*\n/);

  /** The whole lines of progress in the last `length` characters. */
  const lines = (length: number): readonly Progress[] =>
    child
      .stdout()
      .slice(-length)
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{"kind":"progress"'))
      .map((line) => JSON.parse(line) as Progress);
  const progress = (): Progress => {
    const last = lines(2_000).at(-1);
    if (last === undefined) throw new Error(`the load says nothing: ${child.output().slice(-2_000)}`);
    return last;
  };

  return {
    process: child,
    progress,
    async untilAnswered(more) {
      const target = progress().answered + more;
      // At a third of the rate it would still come in time.
      const deadlineMs = 10_000 + (3_000 * more) / options.perSecond;
      await eventually(
        () => {
          const now = progress();
          if (now.answered < target) throw new Error(`waiting for ${target} answers: ${JSON.stringify(now)}`);
        },
        deadlineMs,
        pollMs,
      );
    },
    async untilShares(wanted, { count = Math.ceil(options.perSecond / 2), deadlineMs = 30_000 } = {}) {
      const from = performance.now();
      const fromMs = progress().atMs;
      await eventually(
        () => {
          const window = latest(
            lines(50_000).filter(({ atMs }) => atMs > fromMs),
            count,
          );
          const total = window.answered;
          const share = (instance: string): number => (window.byInstance[instance] ?? 0) / Math.max(1, total);
          if (total < count || !wanted(share, window.failed)) throw new Error(JSON.stringify(window));
        },
        deadlineMs,
        pollMs,
      );
      return Math.round(performance.now() - from);
    },
    async stop() {
      child.signal('SIGTERM');
      await child.waitFor(/"kind":"report".*\n/, full.patienceMs + 10_000);
      const line = child
        .stdout()
        .split('\n')
        .find((text) => text.startsWith('{"kind":"report"'));
      if (line === undefined) throw new Error(`no report in ${child.output()}`);
      await child.ended;
      return { ...(JSON.parse(line) as Omit<LoadReport, 'run'>), run };
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

/** The last lines that make up `count` answers. */
function latest(
  lines: readonly Progress[],
  count: number,
): {
  readonly answered: number;
  readonly failed: number;
  readonly byInstance: Readonly<Record<string, number>>;
} {
  const byInstance: Record<string, number> = {};
  let answered = 0;
  let failed = 0;
  for (const line of lines.toReversed()) {
    if (answered >= count) break;
    failed += line.recentFailed;
    for (const [instance, more] of Object.entries(line.recent)) {
      byInstance[instance] = (byInstance[instance] ?? 0) + more;
      answered += more;
    }
  }
  return { answered, failed, byInstance };
}
