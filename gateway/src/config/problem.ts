/** One thing that is wrong with the configuration, with its place: problems are collected, never thrown one at a time. */
export interface ConfigProblem {
  /** Where it was said: `gateway.yaml:12:5 routes[0].prefix`, `GATEWAY_PORT` or `--port`. */
  readonly place: string;
  /** What is wrong, with the value received and what is allowed. */
  readonly message: string;
}

/** All problems as one text for a terminal, a line each. */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return [`The configuration has ${count}:`, ...problems.map((p) => `  ${p.place}: ${p.message}`)].join('\n');
}

/** A value as it was received, short and harmless on a terminal. */
export function showValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'nothing (an empty value)';
  // JSON escapes C0 controls; the others that move a cursor are DEL and C1.
  const text = (JSON.stringify(value) as string | undefined) ?? typeof value;
  const safe = text.replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return safe.length > 60 ? `${safe.slice(0, 57)}…` : safe;
}
