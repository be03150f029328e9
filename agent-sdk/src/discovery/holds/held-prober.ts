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
export class HeldProber {
  readonly #options: HeldProberOptions;
  readonly #asking = new Map<string, Map<string, AbortController>>();
  readonly #loops = new Set<Promise<void>>();

  constructor(options: HeldProberOptions) {
    this.#options = options;
  }

  /** Replaces the held instances of the service: starts probes of new ones and ends those of instances that are not held any more. */
  follow(service: string, held: ReadonlyMap<string, HeldInstance>): void {
    const known = this.#asking.get(service) ?? new Map<string, AbortController>();
    for (const [key, end] of known) {
      if (held.has(key)) continue;
      end.abort();
      known.delete(key);
    }
    for (const [key, { instance }] of held)
      if (!known.has(key)) known.set(key, this.#start(service, instance));
    if (known.size > 0) this.#asking.set(service, known);
    else this.#asking.delete(service);
  }

  /** Ends all probes; resolves when none is running. */
  async stop(): Promise<void> {
    for (const ends of this.#asking.values()) for (const end of ends.values()) end.abort();
    this.#asking.clear();
    await Promise.all(this.#loops);
  }

  #start(service: string, instance: Instance): AbortController {
    const end = new AbortController();
    const loop = this.#ask(service, instance, end.signal).catch((error: unknown) => {
      if (!end.signal.aborted) throw error;
    });
    this.#loops.add(loop);
    void loop.finally(() => this.#loops.delete(loop));
    return end;
  }

  async #ask(service: string, instance: Instance, signal: AbortSignal): Promise<void> {
    const { probe, onProbe, onDead } = this.#options;
    let state: ProbeState = { kind: 'unknown' };
    while (!signal.aborted) {
      const dead = await probe(instance, signal);
      if (isOver(signal)) return;
      const after = afterProbe(state, dead);
      state = after.state;
      onProbe(service, instance.key, state);
      if (after.next === 'let_go') {
        onDead(service, instance.key, dead ?? '');
        return;
      }
      await delay(after.next.againInMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }
}

/** A function, because the type checker assumes that `aborted` stays the same across an await. */
function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}
