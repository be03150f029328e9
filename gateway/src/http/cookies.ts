import type { FieldLines } from './field-lines.ts';

/** The value of the first cookie of a name in the Cookie lines of a request (RFC 6265 §4.2), or undefined. Names are case-sensitive. */
export function cookieValue(fields: FieldLines, name: string): string | undefined {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (fields[i]?.toLowerCase() !== 'cookie') continue;
    for (const pair of (fields[i + 1] ?? '').split(';')) {
      const equals = pair.indexOf('=');
      if (equals !== -1 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
    }
  }
  return undefined;
}

/** A Cookie line without the cookies of a name, the others byte for byte; undefined when nothing is left. */
export function withoutCookie(line: string, name: string): string | undefined {
  if (!line.includes(name)) return line;
  const pairs = line.split(';');
  const kept = pairs.filter((pair) => {
    const equals = pair.indexOf('=');
    return equals === -1 || pair.slice(0, equals).trim() !== name;
  });
  if (kept.length === pairs.length) return line;
  const text = kept.join(';').replace(/^[ \t]+/, '');
  return text === '' ? undefined : text;
}
