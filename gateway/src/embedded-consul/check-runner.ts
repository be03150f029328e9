import type { AgentCatalog } from './agent-catalog.ts';
import type { HttpCheckResult, HttpSource } from './http-probe.ts';
import type { CheckSpec } from './records.ts';

/** What a check runner needs. */
export interface CheckRunnerOptions {
  readonly catalog: () => AgentCatalog;
  /** Monotonic ms. */
  readonly now: () => number;
  /** In 0..1; spreads the first runs of HTTP checks over their interval, as Consul does. */
  readonly random: () => number;
  /** Runs an HTTP check once; must not reject and must end with the signal. */
  readonly probe: (source: HttpSource, signal: AbortSignal) => Promise<HttpCheckResult>;
  /** How often TTLs are checked and new HTTP checks are started. */
  readonly tickMs: number;
  /** How often services that have been critical for too long are removed; Consul's own is 30 s. */
  readonly removalIntervalMs: number;
  /** Called with the ids of removed services. */
  readonly onRemoved: (serviceIds: readonly string[]) => void;
}

/** Everything that happens to checks over time: TTLs expire, HTTP checks run, services critical for too long are removed. */
export interface CheckRunner {
  start(): void;
  /** Ends the timer and every HTTP check in flight. */
  stop(): void;
  /** One round, which the timer does; callable by tests with a clock of their own. */
  tick(): void;
}

/** A stopped runner. */
export function createCheckRunner(options: CheckRunnerOptions): CheckRunner {
  const loops = new Map<string, { readonly spec: CheckSpec; readonly end: AbortController }>();
  let timer: NodeJS.Timeout | undefined;
  let lastRemovalMs = options.now();

  function endLoop(id: string): void {
    loops.get(id)?.end.abort();
    loops.delete(id);
  }

  /** Runs a check until it is ended: first after a random part of its interval, then at every interval. */
  function startLoop(spec: CheckSpec, source: HttpSource): void {
    const end = new AbortController();
    loops.set(spec.id, { spec, end });
    const run = async (): Promise<void> => {
      const result = await options.probe(source, end.signal);
      if (end.signal.aborted) return;
      options.catalog().update(spec.id, result, options.now());
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
    for (const { spec } of catalog.checks())
      if (spec.source.kind === 'http' && !loops.has(spec.id)) startLoop(spec, spec.source);
  }

  function tick(): void {
    const nowMs = options.now();
    options.catalog().expireTtls(nowMs);
    if (nowMs - lastRemovalMs >= options.removalIntervalMs) {
      lastRemovalMs = nowMs;
      const removed = options.catalog().removeCritical(nowMs);
      if (removed.length > 0) options.onRemoved(removed);
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
