/** An answer with a longer head counts as garbage. */
export const maxCheckHeadBytes = 65_536;

/**
 * Reads the answer to a check as far as it has arrived (latin1): its status once the final head is complete. Interim heads (RFC 9110 §15.2)
 * are skipped; the body is ignored.
 */
export function readCheckAnswer(text: string): number | 'incomplete' | 'garbage' {
  if (text.length > maxCheckHeadBytes) return 'garbage';
  let start = 0;
  for (;;) {
    const end = text.indexOf('\r\n\r\n', start);
    if (end === -1) return couldBegin(text.slice(start, start + 9)) ? 'incomplete' : 'garbage';
    const match = /^HTTP\/1\.[01] ([1-5]\d\d)(?: [^\r\n]*)?(?:\r\n|$)/.exec(text.slice(start, end));
    if (match === null) return 'garbage';
    const status = Number(match[1]);
    // 101 is final: the check asks for no other protocol.
    if (status >= 200 || status === 101) return status;
    start = end + 4;
  }
}

/** Whether a status line can begin like this; the banner of another protocol is refused at once. */
function couldBegin(text: string): boolean {
  return 'HTTP/1.1 '.startsWith(text) || 'HTTP/1.0 '.startsWith(text);
}
