import type { EndpointState } from './endpoint-state.ts';

/** The least share of its turns that an endpoint gets during its slow start; Envoy's number. */
const leastShare = 0.1;

/** Endpoints that joined a running upstream a short while ago; their share of the requests grows to the full one. */
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
    for (const { level } of endpoint.slots) level.warming += 1;
  }

  end(endpoint: EndpointState): void {
    if (!this.#warming.delete(endpoint)) return;
    endpoint.warmingSinceMs = undefined;
    for (const { level } of endpoint.slots) level.warming -= 1;
  }

  /** Ends every slow start that has lasted `lengthMs`. */
  expire(lengthMs: number, nowMs: number): void {
    for (const endpoint of this.#warming) {
      if (nowMs - (endpoint.warmingSinceMs ?? 0) < lengthMs) return;
      this.end(endpoint);
    }
  }
}

/** True with the probability of the endpoint's present share; always true outside a slow start. `draw` is random in [0, 1). */
export function takesTurn(
  { warmingSinceMs }: EndpointState,
  moment: { readonly lengthMs: number; readonly nowMs: number; readonly draw: number },
): boolean {
  if (warmingSinceMs === undefined) return true;
  const share = (moment.nowMs - warmingSinceMs) / Math.max(1, moment.lengthMs);
  return moment.draw < Math.max(leastShare, share);
}
