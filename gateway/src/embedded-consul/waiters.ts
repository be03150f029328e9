import type { ChangeListener, Topic } from './table-index.ts';

/** What a blocked query waits for: a topic, and for the keys of `kv` whether a key concerns it. */
export interface Interest {
  readonly topic: Topic;
  readonly concerns?: (key: string) => boolean;
}

/** The blocked queries of an agent. */
export interface Waiters {
  readonly size: number;
  /** Calls `onChange` at every change of interest until the returned function is called. Undefined when there are too many. */
  add(interest: Interest, onChange: () => void): (() => void) | undefined;
  /** Tells those whom it concerns, in the order in which they came. */
  readonly notify: ChangeListener;
}

interface Waiter {
  readonly interest: Interest;
  readonly onChange: () => void;
}

/** Holds at most `limit` waiters. A topic without waiters costs nothing. */
export function createWaiters(limit: number): Waiters {
  const byTopic = new Map<Topic, Set<Waiter>>();
  let size = 0;
  return {
    get size() {
      return size;
    },
    add(interest, onChange) {
      if (size >= limit) return undefined;
      const waiter: Waiter = { interest, onChange };
      const waiting = byTopic.get(interest.topic) ?? new Set();
      byTopic.set(interest.topic, waiting.add(waiter));
      size++;
      return () => {
        if (!waiting.delete(waiter)) return;
        size--;
        if (waiting.size === 0 && byTopic.get(interest.topic) === waiting) byTopic.delete(interest.topic);
      };
    },
    notify(topic, key) {
      const waiting = byTopic.get(topic);
      if (waiting === undefined) return;
      // A copy: whoever is answered leaves the set.
      for (const { interest, onChange } of [...waiting])
        if (key === undefined || interest.concerns?.(key) !== false) onChange();
    },
  };
}
