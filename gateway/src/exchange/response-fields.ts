import { fieldKind } from './field-kinds.ts';
import { nominatedBy } from './request-rules.ts';
import type { FieldLines } from './seam.ts';

/** What the gateway adds to a response on its way to the client. */
export interface ResponseFieldOptions {
  /** Set on final responses; undefined on interim ones, which get nothing added. */
  readonly own: { readonly requestId: string; readonly httpDate: () => string } | undefined;
}

/**
 * The header lines that go to a client: without those of the instance's connection and those its `Connection` names (RFC 9110
 * §7.6.1), with X-Request-Id, and with Date where the instance sent none (§6.6.1). Everything else unchanged and in order.
 */
export function responseFields(fields: FieldLines, options: ResponseFieldOptions): FieldLines {
  const lines: string[] = [];
  let connection: string | undefined;
  let dated = false;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] ?? '';
    const value = fields[i + 1] ?? '';
    switch (fieldKind(name)) {
      case 'connection':
        connection = connection === undefined ? value : `${connection},${value}`;
        continue;
      case 'hop-by-hop':
      case 'framing':
      case 'request-id':
        continue;
      case 'date':
        dated = true;
        break;
      default:
    }
    lines.push(name, value);
  }
  const kept = connection === undefined ? lines : withoutNominated(lines, nominatedBy(connection));
  if (options.own !== undefined) {
    if (!dated) kept.push('Date', options.own.httpDate());
    kept.push('X-Request-Id', options.own.requestId);
  }
  return kept;
}

function withoutNominated(lines: string[], nominated: readonly string[]): string[] {
  if (nominated.length === 0) return lines;
  return lines.filter((_, index) => !nominated.includes((lines[index - (index % 2)] ?? '').toLowerCase()));
}

/** The first value of a field, or undefined. For the few that the gateway itself reads. */
export function fieldValue(fields: FieldLines, name: string): string | undefined {
  for (let i = 0; i + 1 < fields.length; i += 2) if (fields[i]?.toLowerCase() === name) return fields[i + 1];
  return undefined;
}
