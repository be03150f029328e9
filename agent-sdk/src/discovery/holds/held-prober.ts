import { setTimeout as delay } from 'node:timers/promises';

import type { Instance } from '../instance.ts';
import { afterProbe, type HeldInstance, type ProbeState } from './held-instances.ts';

/**
 * Probes an instance. Resolves with the reason why it is dead, as text for a person; with undefined when it is alive, or when the probe
 * says nothing. The owner bounds how many run at a time. Ends with the signal; never rejects.
 */
export type HeldProbe = (instance: Instance, signal: AbortSignal) => Promise<string | undefined>;

/** The probe and the callbacks for its results. The callbacks must not throw. */
export interface HeldProberOptions {
  readonly probe: HeldProbe;
  readonly onProbe: (service: string, key: string, state: ProbeState) => void;
  readonly onDead: (service: string, key: string, reason: string) => void;
}

/** Probes held instances for as long as they are held. */
export interface HeldProber {
  /** Replaces the held instances of the service: starts probes of new ones and ends those of instances that are not held any more. */
  follow(service: string, held: ReadonlyMap<string, HeldInstance>): void;
  /** Ends all probes; resolves when none is running. */
  stop(): Promise<void>;
}

export function createHeldProber(options: HeldProberOptions): HeldProber {
  const asking = new Map<string, Map<string, AbortController>>();
  const loops = new Set<Promise<void>>();

  async function ask(service: string, { instance }: HeldInstance, signal: AbortSignal): Promise<void> {
    let state: ProbeState = { kind: 'unknown' };
    while (!signal.aborted) {
      const dead = await options.probe(instance, signal);
      if (isOver(signal)) return;
      const after = afterProbe(state, dead);
      state = after.state;
      options.onProbe(service, instance.key, state);
      if (after.next === 'let_go') {
        options.onDead(service, instance.key, state.kind === 'failing' ? state.reason : '');
        return;
      }
      await delay(after.next.againInMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  function start(service: string, row: HeldInstance): AbortController {
    const end = new AbortController();
    const loop = ask(service, row, end.signal).catch((error: unknown) => {
      if (!end.signal.aborted) throw error;
    });
    loops.add(loop);
    void loop.finally(() => loops.delete(loop));
    return end;
  }

  return {
    follow(service, held) {
      const known = asking.get(service) ?? new Map<string, AbortController>();
      for (const [key, end] of known) {
        if (held.has(key)) continue;
        end.abort();
        known.delete(key);
      }
      for (const [key, row] of held) if (!known.has(key)) known.set(key, start(service, row));
      if (known.size > 0) asking.set(service, known);
      else asking.delete(service);
    },
    async stop() {
      for (const ends of asking.values()) for (const end of ends.values()) end.abort();
      asking.clear();
      await Promise.all(loops);
    },
  };
}

/** A function, because the type checker assumes that `aborted` stays the same across an await. */
function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}
