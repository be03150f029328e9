import { watch, type FSWatcher } from 'node:fs';
import { lstat, readFile, readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, parse, resolve, sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** How a watch of a file is done. */
export interface FileWatchOptions {
  /** Called after each change of the file's text, also when it goes or comes, and once at the start. Waited for. Must not reject. */
  readonly changed: () => Promise<void>;
  /** Changes are seen by the poll only, with the reason: the system can't say more. */
  readonly onlyPolled: (reason: string) => void;
  /** For file systems without events. Default 5 s. */
  readonly pollMs?: number;
  /** The file counts as written when it has been the same for this long. Default 200 ms. */
  readonly settleMs?: number;
}

/** A file that never rests is read nevertheless, after so many looks. */
const maxSettleLooks = 10;
const maxLinks = 40;

/**
 * Follows a file until the signal aborts, however it is replaced: written in place, renamed over, deleted and made again, swapped as a
 * symlink at any level (`..data` of a Kubernetes ConfigMap). The directories are watched rather than the file, whose inode changes; a poll
 * of its size, time and inode sees what file systems without events don't tell. Never rejects.
 */
export async function watchFile(path: string, signal: AbortSignal, options: FileWatchOptions): Promise<void> {
  const { changed, pollMs = 5_000, settleMs = 200 } = options;
  const bell = createBell(signal);
  const watches = new Map<string, FSWatcher>();
  let toldReason = '';
  const closeAll = (): void => {
    for (const watcher of watches.values()) watcher.close();
    watches.clear();
  };
  const fail = (reason: string): void => {
    if (reason !== toldReason && !signal.aborted) options.onlyPolled(reason);
    toldReason = reason;
  };
  const arm = async (): Promise<void> => {
    const places = await placesOf(path);
    for (const [directory, watcher] of watches) {
      if (places.has(directory)) continue;
      watcher.close();
      watches.delete(directory);
    }
    for (const [directory, names] of places) {
      if (signal.aborted || watches.has(directory)) continue;
      try {
        const watcher = watch(directory, { persistent: false }, (_event, name) => {
          if (name === null || names.has(name) || name === basename(directory)) bell.ring();
        });
        watcher.on('error', (error) => {
          watcher.close();
          watches.delete(directory);
          fail(error.message);
        });
        watches.set(directory, watcher);
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') fail(codeOf(error));
      }
    }
  };

  let known: string | undefined;
  await arm();
  const isOver = (): boolean => signal.aborted;
  while (!isOver()) {
    bell.silence();
    await untilSettled(path, settleMs, signal);
    const text = await textOf(path);
    if (text !== known && !isOver()) {
      known = text;
      // A directory that was replaced has another watch.
      closeAll();
      await arm();
      await changed();
    }
    const state = await stateOf(path);
    while (!isOver() && !(await bell.within(pollMs)) && (await stateOf(path)) === state) await arm();
  }
  closeAll();
}

/** The text; in its place, what keeps it from being read. Something else than a regular file is not opened: a FIFO would never end. */
async function textOf(path: string): Promise<string> {
  try {
    return (await stat(path)).isFile() ? await readFile(path, 'utf8') : 'not a regular file';
  } catch (error) {
    return codeOf(error);
  }
}

/** Resolves when nothing about the file has changed for a while. */
async function untilSettled(path: string, settleMs: number, signal: AbortSignal): Promise<void> {
  let state = await stateOf(path);
  for (let looks = 0; looks < maxSettleLooks && !signal.aborted; looks += 1) {
    await delay(settleMs, undefined, { signal, ref: false }).catch(() => undefined);
    const before = state;
    state = await stateOf(path);
    if (state === before) return;
  }
}

/** Wakes one waiter; a ring without a waiter is kept. */
interface Bell {
  ring(): void;
  /** Forgets a ring. */
  silence(): void;
  /** Resolves with whether it has rung: at a ring, at the abort of the signal, or after `ms`. */
  within(ms: number): Promise<boolean>;
}

function createBell(signal: AbortSignal): Bell {
  let hasRung = false;
  let wake: () => void = () => undefined;
  signal.addEventListener('abort', () => {
    wake();
  });
  return {
    ring: () => {
      hasRung = true;
      wake();
    },
    silence: () => {
      hasRung = false;
    },
    within: async (ms) => {
      if (hasRung || signal.aborted) return hasRung;
      await new Promise<void>((done) => {
        const timer = setTimeout(done, ms).unref();
        wake = () => {
          clearTimeout(timer);
          done();
        };
      });
      wake = () => undefined;
      return hasRung;
    },
  };
}

/** What differs after a change. Through symlinks: another target is another inode. */
async function stateOf(path: string): Promise<string> {
  try {
    const { ino, dev, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [ino, dev, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    return codeOf(error);
  }
}

/** Directories to watch, each with the names in it that matter: those of the file and of every symlink on the way to it. */
async function placesOf(path: string): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const places = new Map<string, Set<string>>();
  const note = (place: string): void => {
    const directory = dirname(place);
    places.set(directory, (places.get(directory) ?? new Set()).add(basename(place)));
  };
  let at = resolve(path);
  note(at);
  for (let links = 0; links < maxLinks; links += 1) {
    const link = await firstLink(at);
    if (link === undefined) break;
    note(link.place);
    at = resolve(dirname(link.place), link.target, link.rest);
  }
  note(at);
  return places;
}

/** The first symlink among the directories of a path and the file itself. */
async function firstLink(
  path: string,
): Promise<{ readonly place: string; readonly target: string; readonly rest: string } | undefined> {
  const { root } = parse(path);
  const names = path.slice(root.length).split(sep);
  for (let count = 1; count <= names.length; count += 1) {
    const place = join(root, ...names.slice(0, count));
    const found = await lstat(place).catch(() => undefined);
    if (found === undefined) return undefined;
    if (found.isSymbolicLink()) {
      return {
        place,
        target: await readlink(place).catch(() => ''),
        rest: join('.', ...names.slice(count)),
      };
    }
  }
  return undefined;
}

/** Whether the file itself is a mount: then a file that is renamed over it outside can't be seen from in here. Linux only. */
export async function isMounted(path: string): Promise<boolean> {
  const [mounts, real] = await Promise.all([
    readFile('/proc/self/mountinfo', 'utf8').catch(() => ''),
    realpath(path).catch(() => undefined),
  ]);
  return real !== undefined && mounts.split('\n').some((line) => line.split(' ')[4] === real);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
