/** What an answer's index means for the next read. */
export interface IndexStep {
  /** For the next read: `"0"` answers at once, anything else blocks. */
  readonly next: string;
  /**
   * `moved`, `same`, `first` (there was nothing to compare with); `backwards`: start over; `none`: missing, zero or no number, so
   * nothing can be followed by blocking.
   */
  readonly kind: 'first' | 'moved' | 'same' | 'backwards' | 'none';
}

/**
 * The rules of Consul's blocking queries ("Implementation Details"): an index is opaque but ordered, so it is compared as a 64-bit
 * number; when it goes backwards the loop starts over with 0; an index below 1 is taken as 1, which is always safe to block on.
 * `asked` is the index of the read that got the answer, `"0"` for none.
 */
export function stepIndex(asked: string, answered: string | undefined): IndexStep {
  if (answered === undefined || !/^\d{1,20}$/u.test(answered)) return { next: '0', kind: 'none' };
  const index = BigInt(answered);
  const next = index < 1n ? '1' : index.toString();
  if (index < 1n && asked === '1') return { next, kind: 'none' };
  if (asked === '0') return { next, kind: index < 1n ? 'none' : 'first' };
  const before = BigInt(asked);
  if (BigInt(next) < before) return { next: '0', kind: 'backwards' };
  return { next, kind: BigInt(next) === before ? 'same' : 'moved' };
}
