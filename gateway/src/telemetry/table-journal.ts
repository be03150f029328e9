import { createBoundedList } from '../config/bounded-list.ts';

/** One change of the route table. */
export interface TableEntry {
  /** ISO 8601. */
  readonly at: string;
  /** What it came of. */
  readonly source: 'configuration' | 'registry';
  /** `+ route /pay → pay (registry)`; claims that were rejected with it start with `!`. */
  readonly lines: readonly string[];
}

/** The last changes of the route table. */
export interface TableJournal {
  /** Newest first. */
  readonly changes: readonly TableEntry[];
  /** Notes a change, by the lines that the log has for it. */
  readonly note: (lines: readonly string[]) => void;
}

const maxChanges = 200;
const maxBytes = 524_288;
/** Of one change; the first table has a line for each route. */
const maxLines = 50;

/** See {@link TableJournal}. `source`: what changes the table just now. `wallClock`: ms since 1970. */
export function createTableJournal(
  source: () => TableEntry['source'],
  wallClock: () => number,
): TableJournal {
  const entries = createBoundedList<TableEntry>(maxChanges, maxBytes);
  return {
    get changes() {
      return entries.items;
    },
    note: (lines) => {
      if (lines.length === 0) return;
      const more = lines.length - maxLines;
      const shown = more > 0 ? [...lines.slice(0, maxLines), `… and ${more} more`] : lines;
      entries.add({ at: new Date(wallClock()).toISOString(), source: source(), lines: shown });
    },
  };
}
