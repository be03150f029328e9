/** Header lines as they stand on the wire: name, value, name, value … Order and repeated names are kept, text is latin1. */
export type FieldLines = readonly string[];

/** The first value of a field, or undefined. For the few that the gateway itself reads and that have no role. */
export function fieldValue(fields: FieldLines, name: string): string | undefined {
  for (let i = 0; i + 1 < fields.length; i += 2) if (fields[i]?.toLowerCase() === name) return fields[i + 1];
  return undefined;
}

/**
 * Whether a comma-separated list names `member` (lower case), in any spelling, with or without parameters (RFC 9110 §5.6.1). In one
 * pass and without pieces: a list of thousands costs no more than other text of its length.
 */
export function lists(value: string | undefined, member: string): boolean {
  if (value === undefined) return false;
  const list = value.toLowerCase();
  for (let at = list.indexOf(member); at !== -1; at = list.indexOf(member, at + member.length)) {
    let before = at - 1;
    while (isBlank(list, before)) before -= 1;
    let after = at + member.length;
    while (isBlank(list, after)) after += 1;
    const starts = before < 0 || list[before] === ',';
    if (starts && (after === list.length || list[after] === ',' || list[after] === ';')) return true;
  }
  return false;
}

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 0x20 || code === 0x09;
}
