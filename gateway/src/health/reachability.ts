import { setMaxListeners } from 'node:events';

import { endpointKey, type Instance } from '@roundhouse/agent-sdk/internal';

import type { ConcurrencyLimit } from './concurrency-limit.ts';
import { connectProbe, type Probe, type ProbeResult } from './probe.ts';

/** Whether the gateway can reach an endpoint; undefined until the first probe has ended. */
export type Reach = Exclude<ProbeResult, { readonly kind: 'inconclusive' }> | undefined;

/** What reachability needs from outside. */
export interface ReachabilityOptions {
  readonly probe: Probe;
  /** Bounds the probes that run at a time; the caller stops it afterwards. */
  readonly limit: ConcurrencyLimit;
  /** A new instance can't be reached. Called at most once for each. */
  readonly onUnreachable: (instance: Instance, reason: string) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/**
 * Whether the gateway can reach instances, found out by one probe each, so that it can tell them on request. No request waits for it. Ends
 * by `stop`.
 */
export interface Reachability {
  /** A new instance: it is probed at once. Instances that are there when the gateway starts are only probed on request. */
  add(instance: Instance): void;
  remove(instance: Instance): void;
  /** The last result. Probes when there is none, or again when it was bad and is old. */
  of(instance: Instance): Reach;
  stop(): void;
}

/** A bad result is this old before a request for it starts another probe. */
const badResultMs = 250;

interface ReachEntry {
  reach: Reach;
  /** When the last probe ended. */
  atMs: number;
  isProbing: boolean;
  /** A bad result has to be reported. */
  isNew: boolean;
}

export function createReachability({ probe, limit, onUnreachable, now }: ReachabilityOptions): Reachability {
  const entries = new Map<string, ReachEntry>();
  const ending = new AbortController();
  // Dozens of probes listen to it at a time; that is no leak.
  setMaxListeners(0, ending.signal);

  const start = (instance: Instance, key: string, entry: ReachEntry): void => {
    entry.isProbing = true;
    void limit.run(async () => {
      if (entries.get(key) !== entry) return;
      const result = await probe(instance, connectProbe, ending.signal);
      if (entries.get(key) !== entry) return;
      entry.isProbing = false;
      entry.atMs = now();
      if (result.kind !== 'inconclusive') entry.reach = result;
      report(instance, entry);
    });
  };
  const report = (instance: Instance, entry: ReachEntry): void => {
    if (entry.isProbing || !entry.isNew) return;
    entry.isNew = false;
    if (entry.reach?.kind === 'dead') onUnreachable(instance, entry.reach.reason);
  };
  const entryOf = (instance: Instance): ReachEntry => {
    const key = endpointKey(instance);
    let entry = entries.get(key);
    if (entry === undefined) {
      entry = { reach: undefined, atMs: 0, isProbing: false, isNew: false };
      entries.set(key, entry);
      start(instance, key, entry);
    } else if (!entry.isProbing && entry.reach?.kind !== 'alive' && now() - entry.atMs >= badResultMs) {
      start(instance, key, entry);
    }
    return entry;
  };
  return {
    add: (instance) => {
      const entry = entryOf(instance);
      entry.isNew = true;
      // It may have asked for its routing status, and been probed, before this call.
      report(instance, entry);
    },
    remove: (instance) => {
      entries.delete(endpointKey(instance));
    },
    of: (instance) => entryOf(instance).reach,
    stop: () => {
      entries.clear();
      ending.abort();
    },
  };
}
