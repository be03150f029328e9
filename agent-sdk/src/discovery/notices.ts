/**
 * Something about the way to Consul that an operator can mend, while everything goes on. `over_limit`: the agent takes no more connections
 * from this address; `cut_reads`: something between cuts long reads; `oversize`: an answer is too large to be read whole.
 */
export type NoticeKind = 'over_limit' | 'cut_reads' | 'oversize';

/** One notice that is in force. */
export interface Notice {
  readonly kind: NoticeKind;
  /** For a person: what is the case, and what to do. */
  readonly message: string;
}

/** What is in force now about one agent. Owns no timer. */
export class Notices {
  readonly #inForce = new Map<NoticeKind, Notice>();
  readonly #listeners = new Set<(notice: Notice) => void>();

  get current(): readonly Notice[] {
    return [...this.#inForce.values()];
  }

  /** Another message for a kind that is in force replaces the old one and is not announced. */
  raise(notice: Notice): void {
    const isNew = !this.#inForce.has(notice.kind);
    this.#inForce.set(notice.kind, notice);
    if (isNew) for (const hear of this.#listeners) hear(notice);
  }

  clear(kind: NoticeKind): void {
    this.#inForce.delete(kind);
  }

  /** Calls back when a kind comes into force. The returned function ends that. */
  onRaise(hear: (notice: Notice) => void): () => void {
    this.#listeners.add(hear);
    return () => {
      this.#listeners.delete(hear);
    };
  }
}
