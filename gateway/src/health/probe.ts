import type { CheckSettings } from '../config/gateway-config.ts';
import type { Instance } from '@roundhouse/agent-sdk/internal';

/** What to ask an instance. */
export interface ProbeQuestion {
  /** `tcp`: connect, and ask who answers where that can be asked. `http`: then GET `path`, too. */
  readonly kind: Exclude<CheckSettings['kind'], 'off'>;
  readonly path: string;
  /** For all of it, name resolution and connecting included. */
  readonly timeoutMs: number;
}

/** What came of a probe. `reason` is for a person: "connection refused". */
export type ProbeResult =
  | { readonly kind: 'alive'; readonly tookMs: number }
  | { readonly kind: 'dead'; readonly reason: string }
  /** It says nothing about the instance: the probe was given up, or the gateway itself stalled meanwhile. */
  | { readonly kind: 'unsure'; readonly reason: string };

/** Probes an instance once. Ends by the question's time or by `signal`, with its socket closed; never rejects. */
export type Probe = (
  instance: Instance,
  question: ProbeQuestion,
  signal: AbortSignal,
) => Promise<ProbeResult>;
