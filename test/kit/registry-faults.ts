/** A defect of a registry's answers. */
export type RegistryFault =
  /** The request is forwarded only after this time; the answer of a blocking read comes later by as much. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** This answer; the request is not forwarded. */
  | { readonly kind: 'answer'; readonly status: number; readonly body: string }
  /** 200 with `[]` or `{}`, like the true answer; at once, without blocking. */
  | { readonly kind: 'empty' }
  /** A complete answer whose JSON ends in the middle. */
  | { readonly kind: 'truncate' }
  /** Another `X-Consul-Index`, made from the true one; undefined removes the header. */
  | { readonly kind: 'index'; readonly rewrite: (actual: string) => string | undefined }
  /** The true answer with other headers, names in lower case: added, replaced, or (undefined) removed. */
  | { readonly kind: 'headers'; readonly headers: Readonly<Record<string, string | undefined>> }
  /** Another body, made from the true one. */
  | { readonly kind: 'body'; readonly rewrite: (actual: string) => string }
  /** The connection is reset: `before` a byte of the answer is sent, or in the `middle` of its body. */
  | { readonly kind: 'drop'; readonly when: 'before' | 'middle' }
  /** The body comes a few bytes at a time. */
  | { readonly kind: 'dribble'; readonly bytes: number; readonly everyMs: number }
  /** Accepted, never answered. */
  | { readonly kind: 'black_hole' };

/** The requests that a fault affects. */
export interface FaultRule {
  /** Part of the path, or a pattern over path and query. Absent: every request. */
  readonly path?: string | RegExp;
  readonly method?: string;
  /** Excludes requests with this header; its name in lower case. */
  readonly unless?: { readonly header: string; readonly value: string };
  /** For how many requests; absent: until it is cleared. */
  readonly times?: number;
}

/** The faults of a registry. All that match a request affect it. */
export interface RegistryFaults {
  /** Adds a fault; the returned function removes it again. Queries that are blocked already keep their old answer. */
  set(rule: FaultRule, fault: RegistryFault): () => void;
  clear(): void;
}

/** An answer before it is sent; names of headers in lower case. */
export interface RegistryAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** What rules look at. */
interface RegistryRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** Faults and the counting of requests. */
export interface FaultBook extends RegistryFaults {
  /** The faults of one request; counts it. */
  take(request: RegistryRequest): readonly RegistryFault[];
}

/** A book without faults. */
export function createFaultBook(): FaultBook {
  const entries = new Set<{ readonly rule: FaultRule; readonly fault: RegistryFault; left: number }>();

  const matches = (rule: FaultRule, { method, target, headers }: RegistryRequest): boolean => {
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
      const taken: RegistryFault[] = [];
      for (const entry of entries) {
        if (!matches(entry.rule, request)) continue;
        taken.push(entry.fault);
        if (--entry.left <= 0) entries.delete(entry);
      }
      return taken;
    },
  };
}

/** The first fault of a kind. */
export function faultOf<K extends RegistryFault['kind']>(
  faults: readonly RegistryFault[],
  kind: K,
): Extract<RegistryFault, { readonly kind: K }> | undefined {
  return faults.find((fault): fault is Extract<RegistryFault, { readonly kind: K }> => fault.kind === kind);
}

/** Applies the faults that change an answer; the others concern the connection. */
export function distort(answer: RegistryAnswer, faults: readonly RegistryFault[]): RegistryAnswer {
  return faults.reduce(distortOnce, answer);
}

function distortOnce(answer: RegistryAnswer, fault: RegistryFault): RegistryAnswer {
  switch (fault.kind) {
    case 'empty':
      return { ...answer, status: 200, body: Buffer.from(answer.body[0] === 0x7b ? '{}' : '[]') };
    case 'truncate':
      return { ...answer, body: answer.body.subarray(0, Math.floor(answer.body.length / 2)) };
    case 'index': {
      const actual = answer.headers['x-consul-index'];
      if (actual === undefined) return answer;
      return withHeaders(answer, { 'x-consul-index': fault.rewrite(actual) });
    }
    case 'headers':
      return withHeaders(answer, fault.headers);
    case 'body':
      return { ...answer, body: Buffer.from(fault.rewrite(answer.body.toString('utf8'))) };
    case 'answer':
    case 'delay':
    case 'drop':
    case 'dribble':
    case 'black_hole':
      return answer;
  }
}

function withHeaders(
  answer: RegistryAnswer,
  headers: Readonly<Record<string, string | undefined>>,
): RegistryAnswer {
  const all = Object.entries({ ...answer.headers, ...headers });
  const kept = all.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  return { ...answer, headers: Object.fromEntries(kept) };
}
