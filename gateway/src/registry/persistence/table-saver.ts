import type { Log } from '../../telemetry/log.ts';
import type { Registry } from '../registry.ts';
import { codeOf, loadSavedTable, removeLeftovers, writeSavedTable } from './saved-table.ts';

/** The saved table of a running gateway. */
export interface TableSaver {
  /** Uses the saved table for services that the registry has not answered yet, and who owned what. Logs what cannot be used. Never rejects. */
  adopt(): Promise<void>;
  /** Reports a change; the table is written soon. */
  changed(): void;
  /** Writes a last time, if the table is good. Call it while the registry is still followed. Never rejects. */
  stop(): Promise<void>;
}

/** Delay of the first write. It is short, so that a table exists when Consul dies soon after a start. */
const firstWriteMs = 250;

/**
 * Keeps the registry's last good table in a file; `off` keeps nothing. Writes every few seconds at most, only when all of the table is live
 * (one that is stale or partly held never replaces a good one), and not before the old one was read. Ended by `stop`.
 */
export function createTableSaver(
  registry: Pick<Registry, 'adopt' | 'savable'>,
  options: {
    readonly path: string;
    /** What the tags of its routes begin with. Default `urlprefix-`. */
    readonly tagPrefix?: string;
    readonly log: Pick<Log, 'info' | 'warn'>;
    /** In ms since 1970. Default `Date.now`. */
    readonly wallClock?: () => number;
    /** Minimum time between two writes. Default 5 s. */
    readonly intervalMs?: number;
  },
): TableSaver {
  const { path, tagPrefix, log, wallClock = Date.now, intervalMs = 5_000 } = options;
  if (path === 'off')
    return { adopt: () => Promise.resolve(), changed: () => undefined, stop: () => Promise.resolve() };
  let isRead = false;
  let timer: NodeJS.Timeout | undefined;
  let state: 'clean' | 'dirty' | 'stopped' = 'clean';
  let isFailing = false;
  let writing = Promise.resolve();
  let pauseMs = Math.min(firstWriteMs, intervalMs);
  const savable = (): ReturnType<Registry['savable']> => (isRead ? registry.savable() : undefined);

  async function save(): Promise<void> {
    const table = savable();
    // The table may be good at the next change, which calls this again.
    if (table === undefined || state !== 'dirty') return;
    state = 'clean';
    try {
      await writeSavedTable(path, table, wallClock());
      pauseMs = intervalMs;
      if (isFailing) log.info('The table is saved again.');
      isFailing = false;
    } catch (error) {
      const why = `${path} can't be written (${codeOf(error)})`;
      if (!isFailing)
        log.warn(`The table is not saved: ${why}. A start without Consul would find an old one.`);
      isFailing = true;
    }
  }

  function schedule(): void {
    timer ??= setTimeout(() => {
      writing = save().finally(() => {
        timer = undefined;
        if (state === 'dirty' && savable() !== undefined) schedule();
      });
    }, pauseMs).unref();
  }

  async function read(): Promise<void> {
    await removeLeftovers(path);
    const reading = await loadSavedTable(path, tagPrefix);
    if (reading.kind === 'absent') return;
    if (reading.kind === 'invalid') {
      log.warn(`The saved table ${path} is not used: ${reading.problem}.`);
      return;
    }
    if (reading.leftOut > 0)
      log.warn(`${reading.leftOut} entries of ${path} can't be read and are left out.`);
    registry.adopt(reading.table, Math.max(0, wallClock() - reading.savedAtMs));
  }

  function changed(): void {
    if (state === 'stopped') return;
    state = 'dirty';
    schedule();
  }

  return {
    async adopt() {
      await read();
      isRead = true;
      changed();
    },
    changed,
    async stop() {
      clearTimeout(timer);
      await writing;
      if (state === 'dirty') await save();
      state = 'stopped';
      clearTimeout(timer);
    },
  };
}
