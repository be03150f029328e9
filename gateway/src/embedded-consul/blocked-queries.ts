/** What a blocked query waits for: any change in the catalog's services, a change of one service, or of any key. */
export type Topic = 'services' | 'kv' | `service:${string}`;

/** The blocked queries of an agent. */
export interface BlockedQueries {
  readonly size: number;
  /** Calls `onChange` at every change of the topic until the returned function is called. Undefined at the limit. */
  add(topic: Topic, onChange: () => void): (() => void) | undefined;
  /** Calls the queries of a topic in the order in which they came. */
  readonly notify: (topic: Topic) => void;
}

/** Holds at most `limit` queries. A topic without queries costs nothing. */
export function createBlockedQueries(limit: number): BlockedQueries {
  const byTopic = new Map<Topic, Set<() => void>>();
  let size = 0;
  return {
    get size() {
      return size;
    },
    add(topic, onChange) {
      if (size >= limit) return undefined;
      const queries = byTopic.get(topic) ?? new Set();
      const query = (): void => {
        onChange();
      };
      byTopic.set(topic, queries.add(query));
      size++;
      return () => {
        if (!queries.delete(query)) return;
        size--;
        if (queries.size === 0 && byTopic.get(topic) === queries) byTopic.delete(topic);
      };
    },
    notify(topic) {
      // A copy: a query that is answered removes itself.
      for (const query of [...(byTopic.get(topic) ?? [])]) query();
    },
  };
}
