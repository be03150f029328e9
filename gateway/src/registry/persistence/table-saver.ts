import type { Log } from '../../telemetry/log.ts';
import type { Registry } from '../registry.ts';
import { createTableKeeper, loadSavedTable, removeLeftovers } from './saved-table.ts';

/** The saved table of a running gateway. */
export interface TableSaver {
  /** Uses the saved table for services that the registry has not answered yet, and who owned what. Logs what cannot be used. Never rejects. */
  adopt(): Promise<void>;
  /** Reports a change; the table is written soon. */
  changed(): void;
  /** Writes a last time, if the table is good. Call it while the registry is still followed. Never rejects. */
  stop(): Promise<void>;
}

/** Keeps the registry's last good table in a file; `off` keeps nothing. Ended by `stop`. */
export function createTableSaver(
  registry: Pick<Registry, 'adopt' | 'savable'>,
  options: {
    readonly path: string;
    readonly log: Pick<Log, 'info' | 'warn'>;
    /** In ms since 1970. */
    readonly wallClock: () => number;
  },
): TableSaver {
  const { path, log, wallClock } = options;
  if (path === 'off')
    return { adopt: () => Promise.resolve(), changed: () => undefined, stop: () => Promise.resolve() };
  /** Whether the old table has been read, so that a new one may take its place. */
  let isRead = false;
  const keeper = createTableKeeper({
    path,
    savable: () => (isRead ? registry.savable() : undefined),
    onTrouble: (message) => {
      if (message === undefined) log.info('The table is saved again.');
      else log.warn(`The table is not saved: ${message}. A start without Consul would find an old one.`);
    },
    wallClock,
  });
  const adopt = async (): Promise<void> => {
    await removeLeftovers(path);
    const reading = await loadSavedTable(path);
    if (reading.kind === 'absent') return;
    if (reading.kind === 'invalid') {
      log.warn(`The saved table ${path} is not used: ${reading.problem}.`);
      return;
    }
    if (reading.leftOut > 0)
      log.warn(`${reading.leftOut} entries of ${path} can't be read and are left out.`);
    registry.adopt(reading.table, Math.max(0, wallClock() - reading.savedAtMs));
  };
  return {
    async adopt() {
      await adopt();
      isRead = true;
      keeper.changed();
    },
    changed: () => {
      keeper.changed();
    },
    stop: () => keeper.stop(),
  };
}
