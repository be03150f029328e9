/** An answer whose head is longer than this is none. */
export const maxCheckHeadBytes = 65_536;

/**
 * Reads what has come of the answer to a check so far (latin1): its status once the final head is whole. Interim heads (RFC 9110
 * §15.2) are passed over; the body doesn't matter.
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
    // 101 is final: nobody asked for another protocol.
    if (status >= 200 || status === 101) return status;
    start = end + 4;
  }
}

/** Whether a status line can begin like this, so that a stranger's banner is not waited on. */
function couldBegin(text: string): boolean {
  return 'HTTP/1.1 '.startsWith(text) || 'HTTP/1.0 '.startsWith(text);
}
