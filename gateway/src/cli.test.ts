import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

/** Modules of the gateway that are loaded with `entry`, by URL. Types and dynamic imports load nothing. */
function loadedWith(entry: URL, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(entry.href)) return found;
  found.add(entry.href);
  const imports = readFileSync(entry, 'utf8').matchAll(/^(?:import|export) (?!type )[^;]*?'(\.[^']+)';/gm);
  for (const [, path = ''] of imports) loadedWith(new URL(path, entry), found);
  return found;
}

const agent = new URL('embedded-consul/', import.meta.url).href;
const loadsAgent = (path: string): boolean =>
  [...loadedWith(new URL(path, import.meta.url))].some((href) => href.startsWith(agent));

it('loads the embedded agent with the commands that start one, and with no other', () => {
  expect(loadsAgent('commands/demo.ts')).toBe(true);
  expect(loadsAgent('commands/consul.ts')).toBe(true);
  expect(loadsAgent('cli.ts')).toBe(false);
});
