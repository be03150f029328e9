import { setImmediate as nextTurn } from 'node:timers/promises';

/** Records that are dealt with in one turn of the event loop. */
const recordsPerTurn = 500;

/**
 * Lets other work run before a next step of work on a list: reading, decoding and comparing thousands of records take milliseconds each.
 * Resolves at once for a list that is short; without a number, in the next turn of the event loop.
 */
export async function yieldTurn(records = Infinity): Promise<void> {
  if (records > recordsPerTurn) await nextTurn();
}
