/** Something that goes wrong with an answer, on purpose. */
export type Fault =
  /** The request is dealt with only after this time; for a blocking read, its answer comes later by as much. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** This answer instead of the true one, and nothing is done. `headers` adds to or replaces those of any answer. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly body: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** 200 with `[]` or `{}`, whichever the true answer would be; at once, without blocking. */
  | { readonly kind: 'empty' }
  /** A complete answer whose JSON ends in the middle. */
  | { readonly kind: 'truncate' }
  /** Another `X-Consul-Index`, made from the true one; undefined leaves the header out. */
  | { readonly kind: 'index'; readonly rewrite: (actual: string) => string | undefined }
  /** The connection is reset: `before` a byte of the answer is sent, or in the `middle` of its body. */
  | { readonly kind: 'drop'; readonly when: 'before' | 'middle' }
  /** The body comes a few bytes at a time. */
  | { readonly kind: 'dribble'; readonly bytes: number; readonly everyMs: number }
  /** Accepted, never answered. */
  | { readonly kind: 'black_hole' };

/** To which requests a fault happens. */
export interface FaultRule {
  /** Part of the path, or a pattern over path and query. Absent: every request. */
  readonly path?: string | RegExp;
  readonly method?: string;
  /** For how many requests; absent: until it is cleared. */
  readonly times?: number;
}

/** The faults of an agent, for tests. All that match a request happen to it. */
export interface Faults {
  /** Adds a fault; the returned function takes it away again. Queries that are blocked already keep their old answer. */
  set(rule: FaultRule, fault: Fault): () => void;
  clear(): void;
}

export interface FaultBook extends Faults {
  /** The faults of one request; counts it. `target` is path and query. */
  take(method: string, target: string): readonly Fault[];
}

/** A book without faults. */
export function createFaultBook(): FaultBook {
  const entries = new Set<{ readonly rule: FaultRule; readonly fault: Fault; left: number }>();

  const matches = (rule: FaultRule, method: string, target: string): boolean => {
    if (rule.method !== undefined && rule.method !== method) return false;
    if (rule.path === undefined) return true;
    return typeof rule.path === 'string' ? target.includes(rule.path) : target.search(rule.path) !== -1;
  };

  return {
    set(rule, fault) {
      const entry = { rule, fault, left: rule.times ?? Number.POSITIVE_INFINITY };
      entries.add(entry);
      return () => {
        entries.delete(entry);
      };
    },
    clear() {
      entries.clear();
    },
    take(method, target) {
      const taken: Fault[] = [];
      for (const entry of entries) {
        if (!matches(entry.rule, method, target)) continue;
        taken.push(entry.fault);
        if (--entry.left <= 0) entries.delete(entry);
      }
      return taken;
    },
  };
}
