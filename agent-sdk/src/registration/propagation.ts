import { type Clock, sleep } from './clock.ts';
import type { GatewayReport, Gateways, GatewayVerdict } from './gateways.ts';
import type { Report } from './log.ts';

/** How {@link drained} waits. */
export interface PropagationParts {
  readonly gateways: Gateways;
  /** For all gateways together. */
  readonly acknowledgeTimeoutMs: number;
  /** Where nobody confirms, or not all do: the wait altogether, at least. */
  readonly propagationMs: number;
  readonly clock: Clock;
  readonly report: Report;
}

/** What a gateway had begun before it confirmed (connections in the listen backlog, requests on the wire) is here after this. */
const settleMs = 50;
/** How long a gateway may take to find a new instance good before that is worth a warning. */
const liveTimeoutMs = 5_000;

/**
 * Waits until no gateway sends new requests any more, as far as that can be known. `told`: whether Consul knows that the
 * instance leaves; if not, there is nothing that gateways could confirm. Never rejects; bounded by the two times.
 */
export async function drained(parts: PropagationParts, told: 'announced' | 'unknown'): Promise<void> {
  const { gateways, acknowledgeTimeoutMs, propagationMs, clock, report } = parts;
  const sinceMs = clock.nowMs();
  if (told === 'announced') {
    const { signal } = new AbortController();
    const answer = await gateways.confirm('drained', { timeoutMs: acknowledgeTimeoutMs, signal });
    const { length } = answer.gateways;
    if (length > 0) {
      const line = `draining acknowledged by ${tally(answer)}`;
      report(
        answer.confirmed === length ? 'info' : 'warn',
        'drain_acknowledged',
        [line, ...others(answer)].join('; '),
      );
      if (answer.confirmed === length && answer.problem === undefined) {
        await sleep(clock, settleMs);
        return;
      }
    } else if (answer.problem !== undefined) {
      const rest = `closing after ${propagationMs} ms`;
      report('warn', 'drain_acknowledged', `could not ask for gateways: ${answer.problem}; ${rest}`);
    }
  }
  await sleep(clock, Math.max(settleMs, propagationMs - (clock.nowMs() - sinceMs)));
}

/** Asks whether gateways send requests to a new instance, and says so; nothing where there are none. Never rejects. */
export async function confirmLive(
  { gateways, report }: Pick<PropagationParts, 'gateways' | 'report'>,
  signal: AbortSignal,
): Promise<GatewayReport> {
  const answer = await gateways.confirm('live', { timeoutMs: liveTimeoutMs, signal });
  const { length } = answer.gateways;
  if (length > 0 && !signal.aborted) {
    report(
      answer.confirmed === length ? 'info' : 'warn',
      'live',
      [`live on ${tally(answer)}`, ...others(answer)].join('; '),
    );
  }
  return answer;
}

function tally({ gateways, confirmed, elapsedMs }: GatewayReport): string {
  return `${confirmed}/${gateways.length} gateways in ${Math.round(elapsedMs)} ms`;
}

function others({ gateways }: GatewayReport): readonly string[] {
  return gateways.filter(({ outcome }) => outcome !== 'confirmed').map(sentence);
}

function sentence({ gateway, address, outcome, reason }: GatewayVerdict): string {
  switch (outcome) {
    case 'out':
      return `gateway ${gateway} leaves this instance out: ${reason}`;
    case 'unreachable':
      return `gateway ${gateway} can't be asked at ${address}: ${reason}`;
    case 'pending':
    case 'confirmed':
      return `gateway ${gateway}: ${reason}`;
  }
}
