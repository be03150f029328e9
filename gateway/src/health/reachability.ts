import { setMaxListeners } from 'node:events';

import { endpointKey, type Instance } from '@roundhouse/agent-sdk/internal';

import type { ConcurrencyLimit } from './concurrency-limit.ts';
import { connectProbe, type Probe, type ProbeResult } from './probe.ts';

/** What is known about reaching an endpoint from here; undefined: nothing yet, it is being found out. */
export type Reach = Exclude<ProbeResult, { readonly kind: 'inconclusive' }> | undefined;

/** What reachability needs from outside. */
export interface ReachabilityOptions {
  readonly probe: Probe;
  /** Bounds the probes that run at a time; the caller ends it afterwards. */
  readonly limit: ConcurrencyLimit;
  /** An instance that has just appeared can't be reached. Called once for each. */
  readonly onDead: (instance: Instance, reason: string) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/**
 * Whether instances can be reached from here, found out by one probe each, so that they can be told when they ask. Traffic to them
 * waits for nothing of it. Ends by `stop`.
 */
export interface Reachability {
  /** A new instance: probed at once. What a gateway finds at its start need not be told: it is probed when somebody asks. */
  appeared(instance: Instance): void;
  /** Forgets an instance. */
  gone(instance: Instance): void;
  /** The last word; asks for a new one when there is none, or when it was bad and is old. */
  of(instance: Instance): Reach;
  stop(): void;
}

/** A bad word is asked for again after so long, when somebody wants to know. */
const badWordMs = 250;

interface Known {
  readonly reach: Reach;
  readonly atMs: number;
  readonly state: 'asking' | 'known';
}

export function createReachability(options: ReachabilityOptions): Reachability {
  const { probe, limit, onDead, now } = options;
  const known = new Map<string, Known>();
  /** New ones about which a bad word is still news. */
  const fresh = new Set<string>();
  const ending = new AbortController();
  // Dozens of probes listen to it at a time; that is no leak.
  setMaxListeners(0, ending.signal);

  const tell = (instance: Instance, key: string): void => {
    const word = known.get(key);
    if (word?.state === 'known' && fresh.delete(key) && word.reach?.kind === 'dead')
      onDead(instance, word.reach.reason);
  };
  const ask = (instance: Instance, key: string, last: Reach): void => {
    const asking: Known = { reach: last, atMs: now(), state: 'asking' };
    known.set(key, asking);
    void limit.run(async () => {
      if (known.get(key) !== asking) return;
      const result = await probe(instance, connectProbe, ending.signal);
      // Gone meanwhile.
      if (known.get(key) !== asking) return;
      known.set(key, { reach: result.kind === 'inconclusive' ? last : result, atMs: now(), state: 'known' });
      tell(instance, key);
    });
  };
  return {
    appeared: (instance) => {
      const key = endpointKey(instance);
      fresh.add(key);
      // It may have asked how it stands before this gateway took notice.
      if (known.has(key)) tell(instance, key);
      else ask(instance, key, undefined);
    },
    gone: (instance) => {
      const key = endpointKey(instance);
      known.delete(key);
      fresh.delete(key);
    },
    of: (instance) => {
      const key = endpointKey(instance);
      const word = known.get(key);
      const stays = word?.state === 'asking' || word?.reach?.kind === 'alive';
      if (word === undefined || (!stays && now() - word.atMs >= badWordMs)) ask(instance, key, word?.reach);
      return word?.reach;
    },
    stop: () => {
      known.clear();
      fresh.clear();
      ending.abort();
    },
  };
}
