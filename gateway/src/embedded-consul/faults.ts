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
  /** The true answer with other headers: added, replaced, or (undefined) left out. */
  | { readonly kind: 'headers'; readonly headers: Readonly<Record<string, string | undefined>> }
  /** Another body, made from the true one. */
  | { readonly kind: 'body'; readonly rewrite: (actual: string) => string }
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
  /** Not to requests with this header; its name in lower case. */
  readonly unless?: { readonly header: string; readonly value: string };
  /** For how many requests; absent: until it is cleared. */
  readonly times?: number;
}

/** The faults of an agent, for tests. All that match a request happen to it. */
export interface Faults {
  /** Adds a fault; the returned function takes it away again. Queries that are blocked already keep their old answer. */
  set(rule: FaultRule, fault: Fault): () => void;
  clear(): void;
}

/** What rules look at. */
export interface FaultyRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export interface FaultBook extends Faults {
  /** The faults of one request; counts it. */
  take(request: FaultyRequest): readonly Fault[];
}

/** A book without faults. */
export function createFaultBook(): FaultBook {
  const entries = new Set<{ readonly rule: FaultRule; readonly fault: Fault; left: number }>();

  const matches = (rule: FaultRule, { method, target, headers }: FaultyRequest): boolean => {
    if (rule.unless !== undefined && headers[rule.unless.header] === rule.unless.value) return false;
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
    take(request) {
      const taken: Fault[] = [];
      for (const entry of entries) {
        if (!matches(entry.rule, request)) continue;
        taken.push(entry.fault);
        if (--entry.left <= 0) entries.delete(entry);
      }
      return taken;
    },
  };
}
