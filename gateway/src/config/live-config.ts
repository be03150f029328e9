import { checkConfig } from './check-config.ts';
import { configChange } from './config-change.ts';
import { deepFreeze } from './defaults.ts';
import type { GatewayConfig } from './gateway-config.ts';
import { formatProblems, type ConfigProblem } from './problems.ts';

/** What came of a new configuration. Fields are paths: `timeouts.connectMs`, `routes`. */
export type Reconfiguration =
  | {
      readonly kind: 'applied';
      /** The fields that have changed. */
      readonly changed: readonly string[];
      /** The fields that differ and keep their values until the gateway is started again. */
      readonly needRestart: readonly string[];
    }
  /** Nothing was applied. */
  | { readonly kind: 'invalid'; readonly problems: readonly ConfigProblem[] };

/** Takes over another configuration. It may be called with one that differs in nothing that matters to the part. */
export type ApplyConfig = (config: GatewayConfig) => void | Promise<void>;

/** The configuration that a running gateway goes by. */
export interface LiveConfig {
  /** Frozen; replaced as a whole. */
  readonly current: GatewayConfig;
  /** Adds a part that takes over every configuration from now on; parts do so in the order in which they were added. */
  follow(apply: ApplyConfig): void;
  /**
   * Checks a configuration, and lets every part take over what can change while the gateway runs. Exchanges under way keep what they
   * began with. Resolves when it holds everywhere.
   */
  reconfigure(next: GatewayConfig): Promise<Reconfiguration>;
}

/** What came of a new configuration, in the log's words. */
export function reconfigurationText(result: Reconfiguration): string {
  if (result.kind === 'invalid') return `Nothing was changed. ${formatProblems(result.problems)}`;
  const { changed, needRestart } = result;
  if (changed.length + needRestart.length === 0) return 'The configuration is the same.';
  return [
    changed.length === 0 ? 'Nothing changes now.' : `The configuration changed: ${changed.join(', ')}.`,
    ...(needRestart.length === 0 ? [] : [`These fields need a restart: ${needRestart.join(', ')}.`]),
  ].join(' ');
}

/** See {@link LiveConfig}. Holds nothing that has to be ended. */
export function createLiveConfig(config: GatewayConfig): LiveConfig {
  const followers: ApplyConfig[] = [];
  let current = config;
  return {
    get current() {
      return current;
    },
    follow: (apply) => {
      followers.push(apply);
    },
    reconfigure: async (next) => {
      const checked = checkConfig(next);
      if (checked.kind === 'invalid') return checked;
      const { config: merged, applied, needRestart } = configChange(current, checked.config);
      current = deepFreeze(structuredClone(merged));
      // The newest configuration, should another one come while a part still waits.
      if (applied.length > 0) for (const apply of followers) await apply(current);
      return { kind: 'applied', changed: applied, needRestart };
    },
  };
}
