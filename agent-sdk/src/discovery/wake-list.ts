/** Callbacks that are called once, all at the next {@link WakeList.wake}. Owns no timer. */
export class WakeList {
  readonly #waiting = new Set<() => void>();

  wake(): void {
    if (this.#waiting.size === 0) return;
    const woken = [...this.#waiting];
    this.#waiting.clear();
    for (const hear of woken) hear();
  }

  /** Calls back at the next wake. The returned function cancels that. */
  onWake(hear: () => void): () => void {
    this.#waiting.add(hear);
    return () => {
      this.#waiting.delete(hear);
    };
  }
}
