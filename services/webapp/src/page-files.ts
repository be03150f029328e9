import { readFileSync } from 'node:fs';
import type { PageSources } from './page.ts';

/** Beside both `src/` and `dist/`. */
const folder = new URL('../public/', import.meta.url);

/** Reads the page's files, once, at start-up. Throws when one is missing. */
export function readPageSources(): PageSources {
  const read = (name: string) => readFileSync(new URL(name, folder), 'utf8');
  return { html: read('index.html'), css: read('page.css'), scripts: [read('board.js'), read('page.js')] };
}
