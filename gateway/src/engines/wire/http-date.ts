/**
 * The present time as an HTTP date (RFC 9110 §5.6.7), formatted once per second. `now`: milliseconds since the epoch.
 */
export function createHttpDate(now: () => number): () => string {
  let second = Number.NaN;
  let text = '';
  return () => {
    const present = Math.trunc(now() / 1000);
    if (present !== second) {
      second = present;
      text = new Date(present * 1000).toUTCString();
    }
    return text;
  };
}
