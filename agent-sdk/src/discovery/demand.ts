/** How often a service is asked for. The data path notes requests; the reading plan reads services with requests first. */
export class Demand {
  /** Requests so far. */
  count = 0;
  readonly #waiting = new Set<() => void>();

  /** Takes note of a request. */
  note(): void {
    this.count += 1;
    if (this.#waiting.size > 0) this.#wake();
  }

  /** Calls back at the next request, once. The returned function cancels that. */
  onNext(hear: () => void): () => void {
    this.#waiting.add(hear);
    return () => {
      this.#waiting.delete(hear);
    };
  }

  #wake(): void {
    const woken = [...this.#waiting];
    this.#waiting.clear();
    for (const hear of woken) hear();
  }
}
