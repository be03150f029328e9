/**
 * Lets the watches of one registry tell each other that it answers again. One of them looks often; the others may then back off far
 * without sleeping through the end of an outage. Shared by all watches of a process; owns no timer.
 */
export interface RecoverySignal {
  /** The registry has answered after a failure. */
  notify(): void;
  /** Calls back at the next recovery, once. The returned function cancels that. */
  onNotify(hear: () => void): () => void;
}

/** A signal without listeners. */
export function createRecoverySignal(): RecoverySignal {
  const listeners = new Set<() => void>();
  return {
    notify() {
      const woken = [...listeners];
      listeners.clear();
      for (const hear of woken) hear();
    },
    onNotify(hear) {
      listeners.add(hear);
      return () => {
        listeners.delete(hear);
      };
    },
  };
}
