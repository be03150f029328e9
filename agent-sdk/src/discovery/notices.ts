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
export interface Notices {
  readonly current: readonly Notice[];
  /** Another message for a kind that is in force replaces the old one and is not announced. */
  raise(notice: Notice): void;
  clear(kind: NoticeKind): void;
  /** Calls back when a kind comes into force. The returned function ends that. */
  onRaise(hear: (notice: Notice) => void): () => void;
}

export function createNotices(): Notices {
  const inForce = new Map<NoticeKind, Notice>();
  const listeners = new Set<(notice: Notice) => void>();
  return {
    get current() {
      return [...inForce.values()];
    },
    raise(notice) {
      const isNew = !inForce.has(notice.kind);
      inForce.set(notice.kind, notice);
      if (isNew) for (const hear of listeners) hear(notice);
    },
    clear(kind) {
      inForce.delete(kind);
    },
    onRaise(hear) {
      listeners.add(hear);
      return () => {
        listeners.delete(hear);
      };
    },
  };
}
