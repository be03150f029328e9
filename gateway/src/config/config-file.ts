import { readFileSync, statSync } from 'node:fs';

import { isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, type Node } from 'yaml';

import { showPath, type ConfigPath } from './config-path.ts';
import type { ConfigProblem } from './problems.ts';

/** What came of reading a file. A missing file is no failure by itself: the default path may be absent. */
export type FileRead =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed'; readonly reason: string };

/** Larger files are not read: the largest configurations need a small part of this. */
const maxFileBytes = 16_777_216;

/**
 * Reads a whole UTF-8 file now; the only place where configuration touches the disk. `again`: by a process that has read it before and
 * must not stand still. A pipe has its text once, and a read of it would wait for ever.
 */
export function readConfigFile(path: string, when: 'once' | 'again' = 'once'): FileRead {
  try {
    const found = statSync(path);
    if (when === 'again' && !found.isFile())
      return { kind: 'failed', reason: 'it is not a regular file, and is read at the start only' };
    if (found.size > maxFileBytes)
      return { kind: 'failed', reason: `it is larger than ${maxFileBytes} bytes` };
    return { kind: 'text', text: readFileSync(path, 'utf8') };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    return code === 'ENOENT' ? { kind: 'absent' } : { kind: 'failed', reason: code };
  }
}

/** A parsed YAML file that remembers where everything stands. */
export interface ConfigFile {
  /** Plain data, `{}` for an empty file. */
  readonly data: unknown;
  /** The line of a value, from 1. */
  readonly line: (path: ConfigPath) => number;
  /** `gateway.yaml:12:5 routes[0].prefix`; the nearest enclosing value where the path itself is not there. */
  readonly place: (path: ConfigPath) => string;
}

/** The node to point at for a path: the key in a mapping, the item in a list. */
function find(root: unknown, path: ConfigPath): Node | undefined {
  let at = root;
  let best: Node | undefined;
  for (const step of path) {
    if (isMap(at)) {
      const pair = at.items.find((p) => isPair(p) && isScalar(p.key) && String(p.key.value) === String(step));
      if (pair === undefined || !isScalar(pair.key)) return best;
      best = pair.key;
      at = pair.value;
    } else if (isSeq(at) && typeof step === 'number') {
      const item = at.items[step];
      if (!isMap(item) && !isScalar(item) && !isSeq(item)) return best;
      best = item;
      at = item;
    } else {
      return best;
    }
  }
  return best;
}

/** Parses YAML 1.2. `name` is the path as the operator gave it, for messages. Every syntax error comes back with its place. */
export function parseConfigFile(
  name: string,
  text: string,
): { readonly file: ConfigFile } | { readonly problems: readonly ConfigProblem[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  const wrong = [...document.errors, ...document.warnings];
  if (wrong.length > 0) return { problems: wrong.map((e) => ({ place: at(e.pos[0]), message: e.message })) };

  let data: unknown;
  try {
    data = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    return {
      problems: [{ place: name, message: error instanceof Error ? error.message : 'cannot be read' }],
    };
  }
  const offset = (path: ConfigPath): number => find(document.contents, path)?.range?.[0] ?? 0;
  return {
    file: {
      data: data ?? {},
      line: (path) => lines.linePos(offset(path)).line,
      place: (path) => (path.length === 0 ? at(offset(path)) : `${at(offset(path))} ${showPath(path)}`),
    },
  };
}
