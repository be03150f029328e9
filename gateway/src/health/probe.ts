import type { Instance } from '@roundhouse/agent-sdk/internal';

import type { CheckSettings } from '../config/gateway-config.ts';

/** What to ask an instance. */
export interface ProbeQuestion {
  /**
   * `tcp`: connect, and verify the identity where the instance supports it. `http`: then GET `path`, too. `life`: any answer of the process
   * will do: its identity, or whatever it says to a request for `path` (`*`: `OPTIONS *`). A kernel that accepts for a process that has
   * stopped does not answer.
   */
  readonly kind: Exclude<CheckSettings['kind'], 'off'> | 'life';
  readonly path: string;
  /** For the whole probe, name resolution and connecting included. */
  readonly timeoutMs: number;
}

/** Whether an instance accepts connections at all, without a request. */
export const connectProbe: ProbeQuestion = { kind: 'tcp', path: '/', timeoutMs: 1_000 };

/**
 * What a probe found. `inconclusive` says nothing about the instance: the probe was cancelled, or the gateway itself stalled or had no
 * descriptor or port left. `reason` is for a person: "connection refused".
 */
export type ProbeResult =
  | { readonly kind: 'alive' }
  | { readonly kind: 'dead'; readonly reason: string }
  | { readonly kind: 'inconclusive'; readonly reason: string };

/** Probes an instance once. Ends by the question's timeout or by `signal`, with its socket closed; never rejects. */
export type Probe = (
  instance: Instance,
  question: ProbeQuestion,
  signal: AbortSignal,
) => Promise<ProbeResult>;
