import { nominatedBy, staysOnConnection } from './field-roles.ts';
import { readHeaders } from './header-facts.ts';
import type { ResponseHead } from './message.ts';

/** What the gateway adds to a final response on its way to the client; interim ones get nothing added. */
export interface ResponseOwnFields {
  readonly requestId: string;
  readonly httpDate: () => string;
}

/**
 * The header lines that go to a client: without those of the instance's connection (R03) and those its `Connection` names (R01, RFC
 * 9110 §7.6.1), with X-Request-Id, and with Date where the instance sent none (R43, §6.6.1). Everything else unchanged and in
 * order (R04).
 */
export function responseFields(head: ResponseHead, own: ResponseOwnFields | undefined): string[] {
  const headers = head.headers ?? readHeaders(head.fields);
  const kept: string[] = [];
  const nominated = nominatedBy(headers.connection, 'response');
  const { fields } = head;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] ?? '';
    const role = headers.roleAt(i >> 1, name);
    if (role === 'request-id' || staysOnConnection(role)) continue;
    if (nominated.size === 0 || !nominated.has(name.toLowerCase())) kept.push(name, fields[i + 1] ?? '');
  }
  if (own !== undefined) {
    if (!headers.dated || nominated.has('date')) kept.push('Date', own.httpDate());
    kept.push('X-Request-Id', own.requestId);
  }
  return kept;
}
