/**
 * Bounds the life of a benchmark: it ends on SIGINT, SIGTERM and SIGHUP, and after `limitMs`. Ending means `process.exit`, upon which
 * every child started through `startProcess` is killed with its group, and temporary folders go.
 */
export function boundLifetime(limitMs: number): void {
  // Every child listens for our exit; a dozen of them is no leak.
  process.setMaxListeners(0);
  for (const [signal, number] of [
    ['SIGHUP', 1],
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ] as const)
    process.once(signal, () => process.exit(128 + number));
  setTimeout(() => {
    console.error(`\nThe benchmark takes longer than ${limitMs / 60_000} minutes; it is ended.`);
    process.exit(1);
  }, limitMs).unref();
}

/** Shows what is going on: one line that is overwritten on a terminal, lines elsewhere. Goes to stderr, away from the results. */
export function showProgress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
}

/** Removes the line of {@link showProgress} from a terminal. */
export function endProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
}
