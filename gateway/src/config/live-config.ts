import { configChange } from './config-change.ts';
import { deepFreeze } from './defaults.ts';
import type { GatewayConfig } from './gateway-config.ts';

/** What came of a valid configuration. Fields are paths: `timeouts.connectMs`, `routes`. */
export type ConfigApplication =
  | {
      readonly kind: 'applied';
      /** The fields that have changed. */
      readonly changed: readonly string[];
      /** The fields that differ and keep their values until the gateway is started again. */
      readonly needRestart: readonly string[];
    }
  /** A part could not take it over. Everything goes on as before. */
  | { readonly kind: 'failed'; readonly reason: string };

/** What a part has made ready for another configuration. Exactly one of the two is called, once. */
export interface Provisioned {
  /** Goes over to the other configuration, at once. It can't fail: what can has been done before. */
  swap(): void;
  /** Ends what was made ready. */
  discard(): void;
}

/**
 * Makes ready what another configuration needs, and touches nothing that runs. Rejects when it can't be had. It may be called with a
 * configuration that differs in nothing that matters to the part.
 */
export type ProvisionConfig = (config: GatewayConfig) => Provisioned | Promise<Provisioned>;

/** The configuration that a running gateway goes by. */
export interface LiveConfig {
  /** Frozen; replaced as a whole. */
  readonly current: GatewayConfig;
  /** Whether parts are just going over to another configuration; what they tell meanwhile comes of that. */
  readonly isSwapping: boolean;
  /** Adds a part; parts go over to another configuration in the order in which they were added. */
  follow(provision: ProvisionConfig): void;
  /**
   * Provision what the next configuration needs, in every part; then swap, in all parts in one turn of the event loop; what is not
   * needed any more ends by itself. Only what can change while the gateway runs is changed. Exchanges under way keep what they began
   * with. When something fails, all that was made ready is discarded. One call at a time: the caller waits for the one before.
   * Never rejects.
   */
  apply(next: GatewayConfig): Promise<ConfigApplication>;
}

/** See {@link LiveConfig}. Holds nothing that has to be ended. */
export function createLiveConfig(config: GatewayConfig): LiveConfig {
  const followers: ProvisionConfig[] = [];
  let current = config;
  let isSwapping = false;

  const provision = async (next: GatewayConfig): Promise<readonly Provisioned[]> => {
    const ready: Provisioned[] = [];
    try {
      for (const follower of followers) ready.push(await follower(next));
    } catch (error) {
      for (const part of ready.reverse()) part.discard();
      throw error;
    }
    return ready;
  };
  const swap = (next: GatewayConfig, ready: readonly Provisioned[]): void => {
    isSwapping = true;
    current = next;
    try {
      for (const part of ready) part.swap();
    } finally {
      isSwapping = false;
    }
  };
  const replace = async (next: GatewayConfig): Promise<void> => {
    const before = current;
    const ready = await provision(next);
    try {
      swap(next, ready);
    } catch (error) {
      // A mistake of the part. The configuration before is known to work.
      swap(before, await provision(before));
      throw error;
    }
  };
  return {
    get current() {
      return current;
    },
    get isSwapping() {
      return isSwapping;
    },
    follow: (follower) => {
      followers.push(follower);
    },
    apply: async (next) => {
      const { config: merged, applied, needRestart } = configChange(current, next);
      if (applied.length === 0) return { kind: 'applied', changed: [], needRestart };
      try {
        await replace(deepFreeze(structuredClone(merged)));
      } catch (error) {
        return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
      }
      return { kind: 'applied', changed: applied, needRestart };
    },
  };
}
