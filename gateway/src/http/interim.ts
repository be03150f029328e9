import type { HttpVersion } from './framing.ts';
import type { HeaderFacts } from './header-facts.ts';
import type { ResponseHead } from './message.ts';

/** What a client expects before it sends its body. R09: `unknown` is refused. An expectation of HTTP/1.0 is ignored (RFC 9110 §10.1.1). */
export function expectationOf(
  { expect }: HeaderFacts,
  version: HttpVersion,
): 'none' | 'continue' | 'unknown' {
  if (expect === undefined || version === '1.0') return 'none';
  return expect.toLowerCase() === '100-continue' ? 'continue' : 'unknown';
}

/**
 * Whether an interim response goes to the client. R10: HTTP/1.0 knows none (RFC 9110 §15.2). R08: a 100 is for a client that waits for
 * one, once, however many instances are tried (§15.2.1). A 101 is no interim response.
 */
export function passesInterim(
  { status }: Pick<ResponseHead, 'status'>,
  client: { readonly version: HttpVersion; readonly awaitsContinue: boolean },
): boolean {
  return client.version === '1.1' && status !== 101 && (status !== 100 || client.awaitsContinue);
}

/** R44: whether a status can be the final one of an exchange. */
export function isFinalStatus(status: number): boolean {
  return status === 101 || (status >= 200 && status <= 599);
}
