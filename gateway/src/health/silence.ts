import { setMaxListeners } from 'node:events';

import type { Endpoint, Upstream } from '@roundhouse/agent-sdk/internal';

import type { ConcurrencyLimit } from './concurrency-limit.ts';
import type { Probe, ProbeQuestion } from './probe.ts';

/** What the silence room needs from outside. */
export interface SilenceOptions {
  /** Path of the HTTP checks of a service; undefined when it has none. */
  readonly checkPath: (service: string) => string | undefined;
  readonly probe: Probe;
  /** Bounds the questions that are open at a time; the caller stops it afterwards. */
  readonly limit: ConcurrencyLimit;
  /** What waits for a silent endpoint is to go elsewhere. Called again and again while something waits. */
  readonly leave: (endpoint: Endpoint) => void;
}

/** Asks endpoints that owe answers and say nothing whether they live. Ends by `stop`. */
export interface SilenceQuestions {
  /** Looks at the endpoints of an upstream, too, as long as it has any. */
  watch(upstream: Upstream): void;
  /** To be called every `lookMs`, unless the gateway itself stands still. */
  look(): void;
  /** Open questions are cancelled. */
  stop(): void;
}

/** A process that lives answers its identity, or anything at all, within this time. */
const answerMs = 750;

export function createSilenceQuestions(options: SilenceOptions): SilenceQuestions {
  const { checkPath, probe, limit, leave } = options;
  const upstreams = new Set<Upstream>();
  const asked = new Set<Endpoint>();
  const ending = new AbortController();
  // Dozens of questions listen to it at a time; that is no leak.
  setMaxListeners(0, ending.signal);

  const ask = async (upstream: Upstream, endpoint: Endpoint): Promise<void> => {
    // `OPTIONS *` is a ping to the server as a whole (RFC 9110 §9.3.7).
    const path = checkPath(upstream.service) ?? '*';
    const question: ProbeQuestion = { kind: 'life', path, timeoutMs: answerMs };
    const result = await limit.run(() => probe(endpoint.instance, question, ending.signal));
    asked.delete(endpoint);
    if (result === undefined || result.kind === 'inconclusive') return;
    upstream.answered(endpoint, result.kind === 'alive');
    if (endpoint.silence === 'silent') leave(endpoint);
  };
  return {
    watch(upstream) {
      upstreams.add(upstream);
    },
    look() {
      for (const upstream of upstreams) {
        if (upstream.endpoints.length === 0) upstreams.delete(upstream);
        for (const { endpoint, does } of upstream.look()) {
          if (does === 'leave') {
            leave(endpoint);
          } else if (!asked.has(endpoint)) {
            asked.add(endpoint);
            void ask(upstream, endpoint);
          }
        }
      }
    },
    stop() {
      ending.abort();
    },
  };
}
