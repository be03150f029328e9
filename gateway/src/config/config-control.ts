import { createBoundedList } from './bounded-list.ts';
import { checkConfig } from './check-config.ts';
import { configDiff, configVersion, withSecretsOf } from './config-diff.ts';
import type { GatewayConfig } from './gateway-config.ts';
import type { LiveConfig } from './live-config.ts';
import type { LoadedConfig } from './load-config.ts';
import type { ConfigProblem } from './problems.ts';

/** What a running gateway reads its configuration from. */
export interface ConfigSource {
  /** `gateway.yaml`, for people. */
  readonly name: string;
  /** Reads and judges everything now: the file, environment and flags. */
  load(): LoadedConfig;
  /** Calls `changed` when `load` may find something else, and waits for it; until the signal aborts. Never rejects. */
  follow(signal: AbortSignal, changed: () => Promise<void>): Promise<void>;
}

/** What made the gateway look for another configuration. `program`: the program that the gateway is a part of gave one. */
export type ConfigTrigger = 'start' | 'file' | 'signal' | 'admin' | 'rollback' | 'release' | 'program';

/** One look at a configuration, and what came of it. */
export interface ConfigAttempt {
  /** ISO 8601. */
  readonly at: string;
  readonly trigger: ConfigTrigger;
  /** Of the configuration that was judged; undefined when it is not valid. */
  readonly version: string | undefined;
  /**
   * `unchanged`: it is the one that runs. `invalid`: nothing was applied. `failed`: a part could not take it over, and nothing was
   * applied. `pinned`: it is valid, but a rollback holds until it is released.
   */
  readonly outcome: 'applied' | 'unchanged' | 'invalid' | 'failed' | 'pinned';
  /** Paths of the fields that have changed. */
  readonly changed: readonly string[];
  /** Paths of the fields that differ and keep their values until the gateway is started again. */
  readonly needRestart: readonly string[];
  /** From what ran to this one, in effect. */
  readonly diff: readonly string[];
  readonly problems: readonly ConfigProblem[];
  readonly tookMs: number;
}

/** What was applied and what was refused. */
export interface ConfigHistory {
  readonly running: string | undefined;
  /** The version that a rollback went back to, and that holds until it is released. */
  readonly pinned: string | undefined;
  /** While a version is pinned: from it to what the source has. */
  readonly drift: readonly string[];
  /** Newest first; the first is the one that runs. */
  readonly applied: readonly ConfigAttempt[];
  /** Newest first. */
  readonly refused: readonly ConfigAttempt[];
}

/** What came of all attempts. */
export interface ConfigCounts {
  readonly byOutcome: ReadonlyMap<ConfigAttempt['outcome'], number>;
  readonly last: ConfigAttempt | undefined;
}

/** What a {@link ConfigControl} is made of. */
export interface ConfigControlOptions {
  readonly live: LiveConfig;
  /** Undefined: the program gives configurations itself. */
  readonly source: ConfigSource | undefined;
  /** Hears every attempt, and what the log should say beside it. */
  readonly onAttempt: (attempt: ConfigAttempt, warnings: readonly string[]) => void;
  /** In ms since 1970. */
  readonly wallClock: () => number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

const maxVersions = 20;
const maxVersionBytes = 4_194_304;
const maxRefusedBytes = 262_144;
/** A file that a program is still writing is read once more before it is called broken. */
const rereadMs = 500;
/** Of one refused attempt; a fuzzed file can have thousands. */
const maxProblems = 100;

/** What is judged: a configuration, or what is wrong with it. */
type Judged = LoadedConfig | ReturnType<typeof checkConfig>;

/**
 * Every way in which a running gateway gets another configuration. One change after the other; a reload that has not begun stands for all
 * that are asked for meanwhile, because it reads what is newest when it begins. Holds nothing that has to be ended.
 */
export class ConfigControl {
  readonly #options: ConfigControlOptions;
  readonly #applied = createBoundedList<{ readonly attempt: ConfigAttempt; readonly config: GatewayConfig }>(
    maxVersions,
    maxVersionBytes,
  );
  readonly #refused = createBoundedList<ConfigAttempt>(maxVersions, maxRefusedBytes);
  readonly #byOutcome = new Map<ConfigAttempt['outcome'], number>();
  #last: ConfigAttempt | undefined;
  #pinned: string | undefined;
  #drift: readonly string[] = [];
  #queue: Promise<unknown> = Promise.resolve();
  #waitingReload: Promise<ConfigAttempt> | undefined;

  constructor(options: ConfigControlOptions) {
    this.#options = options;
    const config = options.live.current;
    const started = { ...this.#attempt('start', 'applied', options.now()), version: configVersion(config) };
    this.#applied.add({ attempt: started, config });
  }

  /** Applies what the source has now. Without a source nothing changes. */
  reload(trigger: ConfigTrigger): Promise<ConfigAttempt> {
    this.#waitingReload ??= this.#next(async () => {
      this.#waitingReload = undefined;
      return this.#reload(trigger);
    });
    return this.#waitingReload;
  }

  /** Applies a configuration that the program made itself. */
  reconfigure(config: GatewayConfig): Promise<ConfigAttempt> {
    return this.#next(() => this.#judge('program', () => checkConfig(config)));
  }

  /** Goes back to a version of the history and pins it. Undefined for a version that is not there. Secrets stay as they are. */
  rollback(version: string): Promise<ConfigAttempt | undefined> {
    return this.#next(async () => {
      const found = this.#applied.items.find(({ attempt }) => attempt.version === version);
      if (found === undefined) return undefined;
      const before = this.#options.live.current;
      const attempt = await this.#judge('rollback', () => ({
        kind: 'config',
        config: withSecretsOf(before, found.config),
      }));
      if (attempt.outcome !== 'failed') {
        this.#pinned = version;
        this.#drift = configDiff(this.#options.live.current, before);
      }
      return attempt;
    });
  }

  /** Ends a pin and applies what the source has now. */
  release(): Promise<ConfigAttempt> {
    return this.#next(() => {
      this.#pinned = undefined;
      this.#drift = [];
      return this.#reload('release');
    });
  }

  /** What was applied and what was refused. */
  history(): ConfigHistory {
    const applied = this.#applied.items.map(({ attempt }) => attempt);
    return {
      running: this.#running,
      pinned: this.#pinned,
      drift: this.#drift,
      applied,
      refused: this.#refused.items,
    };
  }

  /** How many attempts had which outcome, and the last one. */
  counts(): ConfigCounts {
    return { byOutcome: this.#byOutcome, last: this.#last };
  }

  get #running(): string | undefined {
    return this.#applied.items[0]?.attempt.version;
  }

  #next<T>(job: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(job);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #reload(trigger: ConfigTrigger): Promise<ConfigAttempt> {
    const { source, live, sleep } = this.#options;
    if (source === undefined) return this.#judge(trigger, () => ({ kind: 'config', config: live.current }));
    let loaded = source.load();
    if (loaded.kind === 'invalid' && trigger === 'file') {
      await sleep(rereadMs);
      loaded = source.load();
    }
    return this.#judge(trigger, () => loaded);
  }

  async #judge(trigger: ConfigTrigger, load: () => Judged): Promise<ConfigAttempt> {
    const { live, now } = this.#options;
    const startedMs = now();
    const judged = load();
    if (judged.kind === 'invalid') {
      const { problems } = judged;
      const more = problems.length - maxProblems;
      const rest = more > 0 ? [{ place: '…', message: `and ${more} more` }] : [];
      const attempt = this.#attempt(trigger, 'invalid', startedMs);
      return this.#record({ ...attempt, problems: [...problems.slice(0, maxProblems), ...rest] });
    }
    const { config } = judged;
    const version = configVersion(config);
    const diff = configDiff(live.current, config);
    if (this.#pinned !== undefined && trigger !== 'rollback') {
      this.#drift = diff;
      return this.#record({ ...this.#attempt(trigger, 'pinned', startedMs), version, diff });
    }
    const result = await live.apply(config);
    if (result.kind === 'failed') {
      const problems = [{ place: 'gateway', message: result.reason }];
      return this.#record({ ...this.#attempt(trigger, 'failed', startedMs), version, diff, problems });
    }
    const { changed, needRestart } = result;
    const outcome = changed.length === 0 && version === this.#running ? 'unchanged' : 'applied';
    const attempt = { ...this.#attempt(trigger, outcome, startedMs), version, diff, changed, needRestart };
    if (outcome === 'applied') this.#applied.add({ attempt, config });
    return this.#record(attempt, 'warnings' in judged ? judged.warnings : []);
  }

  #attempt(trigger: ConfigTrigger, outcome: ConfigAttempt['outcome'], startedMs: number): ConfigAttempt {
    const { now, wallClock } = this.#options;
    return {
      ...{ at: new Date(wallClock()).toISOString(), trigger, version: undefined, outcome },
      ...{ changed: [], needRestart: [], diff: [], problems: [] },
      tookMs: Math.round(now() - startedMs),
    };
  }

  #record(attempt: ConfigAttempt, warnings: readonly string[] = []): ConfigAttempt {
    const { outcome } = attempt;
    this.#byOutcome.set(outcome, (this.#byOutcome.get(outcome) ?? 0) + 1);
    this.#last = attempt;
    if (outcome !== 'applied' && outcome !== 'unchanged') this.#refused.add(attempt);
    this.#options.onAttempt(attempt, warnings);
    return attempt;
  }
}
