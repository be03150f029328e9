import type { EndpointState } from './endpoint-state.ts';

/** The least share of its turns that an endpoint gets while it warms up; Envoy's number. */
const leastShare = 0.1;

/** Endpoints that joined a running upstream a short while ago, and get their share little by little. */
export class SlowStart {
  /** In the order in which they joined. */
  readonly #warming = new Set<EndpointState>();

  get size(): number {
    return this.#warming.size;
  }

  begin(endpoint: EndpointState, nowMs: number): void {
    this.end(endpoint);
    endpoint.warmingSinceMs = nowMs;
    this.#warming.add(endpoint);
    for (const seat of endpoint.seats) seat.tier.warming += 1;
  }

  end(endpoint: EndpointState): void {
    if (!this.#warming.delete(endpoint)) return;
    endpoint.warmingSinceMs = undefined;
    for (const seat of endpoint.seats) seat.tier.warming -= 1;
  }

  /** Ends what has lasted long enough. */
  pass(lengthMs: number, nowMs: number): void {
    for (const endpoint of this.#warming) {
      if (nowMs - (endpoint.warmingSinceMs ?? 0) < lengthMs) return;
      this.end(endpoint);
    }
  }
}

/** Whether an endpoint takes its turn: always with its full share, else as often as it is warm. `draw` is random in [0, 1). */
export function takesTurn(
  endpoint: Pick<EndpointState, 'warmingSinceMs'>,
  moment: { readonly lengthMs: number; readonly nowMs: number; readonly draw: number },
): boolean {
  if (endpoint.warmingSinceMs === undefined) return true;
  const share = (moment.nowMs - endpoint.warmingSinceMs) / Math.max(1, moment.lengthMs);
  return moment.draw < Math.max(leastShare, share);
}
