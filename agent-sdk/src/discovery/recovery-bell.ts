/**
 * Lets the watches of one registry tell each other that it answers again. One of them looks often; the others may then back off far
 * without sleeping through the end of an outage. Shared by all watches of a process; owns no timer.
 */
export interface RecoveryBell {
  /** The registry has answered after a failure. */
  ring(): void;
  /** Calls back at the next ring, once. The returned function takes that back. */
  onRing(hear: () => void): () => void;
}

/** A bell that nobody has rung. */
export function createRecoveryBell(): RecoveryBell {
  const listeners = new Set<() => void>();
  return {
    ring() {
      const woken = [...listeners];
      listeners.clear();
      for (const hear of woken) hear();
    },
    onRing(hear) {
      listeners.add(hear);
      return () => {
        listeners.delete(hear);
      };
    },
  };
}
