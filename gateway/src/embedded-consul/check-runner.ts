import type { CatalogState } from './catalog-state.ts';
import type { HttpSource, ProbeResult } from './http-probe.ts';
import type { CheckRecord } from './records.ts';

export interface CheckRunnerOptions {
  readonly catalog: () => CatalogState;
  /** Monotonic ms. */
  readonly now: () => number;
  /** In 0..1; spreads the first runs of HTTP checks over their interval, as Consul does. */
  readonly random: () => number;
  /** Runs an HTTP check once; must not reject and must end with the signal. */
  readonly probe: (source: HttpSource, signal: AbortSignal) => Promise<ProbeResult>;
  /** How often TTLs are looked at and new HTTP checks are taken up. */
  readonly tickMs: number;
  /** How often services that have been critical for too long are removed; Consul's own is 30 s. */
  readonly reapIntervalMs: number;
  /** Hears which services were removed. */
  readonly onReaped: (serviceIds: readonly string[]) => void;
}

/** What time does to checks: TTLs expire, HTTP checks run, services critical for too long go. */
export interface CheckRunner {
  start(): void;
  /** Ends the timer and every HTTP check in flight. */
  stop(): void;
  /** One look at everything; the timer's work, callable by tests with a clock of their own. */
  tick(): void;
}

/** A stopped runner. */
export function createCheckRunner(options: CheckRunnerOptions): CheckRunner {
  const loops = new Map<string, { readonly spec: CheckRecord['spec']; readonly end: AbortController }>();
  let timer: NodeJS.Timeout | undefined;
  let lastReapMs = options.now();

  function endLoop(id: string): void {
    loops.get(id)?.end.abort();
    loops.delete(id);
  }

  /** Runs a check until it is ended: first after a random part of its interval, then at every interval. */
  function startLoop({ spec }: CheckRecord, source: HttpSource): void {
    const end = new AbortController();
    loops.set(spec.id, { spec, end });
    const run = async (): Promise<void> => {
      const result = await options.probe(source, end.signal);
      if (end.signal.aborted) return;
      options.catalog().updateCheck(spec.id, result.status, result.output, options.now());
      later(source.intervalMs);
    };
    const later = (afterMs: number): void => {
      const pending = setTimeout(() => {
        end.signal.removeEventListener('abort', cancel);
        void run();
      }, afterMs);
      const cancel = (): void => {
        clearTimeout(pending);
      };
      end.signal.addEventListener('abort', cancel, { once: true });
    };
    later(source.intervalMs * options.random());
  }

  function syncLoops(): void {
    const catalog = options.catalog();
    for (const [id, { spec }] of loops) if (catalog.check(id)?.spec !== spec) endLoop(id);
    for (const record of catalog.probedChecks()) {
      const { source } = record.spec;
      if (source.kind === 'http' && !loops.has(record.spec.id)) startLoop(record, source);
    }
  }

  function tick(): void {
    const nowMs = options.now();
    options.catalog().expireTtls(nowMs);
    if (nowMs - lastReapMs >= options.reapIntervalMs) {
      lastReapMs = nowMs;
      const reaped = options.catalog().reapCritical(nowMs);
      if (reaped.length > 0) options.onReaped(reaped);
    }
    syncLoops();
  }

  return {
    start() {
      timer ??= setInterval(tick, options.tickMs);
    },
    stop() {
      clearInterval(timer);
      timer = undefined;
      for (const id of [...loops.keys()]) endLoop(id);
    },
    tick,
  };
}
