/** Header lines as they stand on the wire: name, value, name, value … Order and repeated names are kept, text is latin1. */
export type FieldLines = readonly string[];

/** The first value of a field, or undefined. For the few that the gateway itself reads and that have no role. */
export function fieldValue(fields: FieldLines, name: string): string | undefined {
  for (let i = 0; i + 1 < fields.length; i += 2) if (fields[i]?.toLowerCase() === name) return fields[i + 1];
  return undefined;
}

/** Whether a comma-separated list names `member` (lower case), in any spelling, with or without parameters (RFC 9110 §5.6.1). */
export function lists(value: string | undefined, member: string): boolean {
  if (value === undefined) return false;
  const lower = value.toLowerCase();
  if (lower === member) return true;
  if (!lower.includes(member)) return false;
  return lower.split(',').some((item) => (item.split(';')[0] ?? '').trim() === member);
}
