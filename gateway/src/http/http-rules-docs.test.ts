import { readdirSync, readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

const root = new URL('../../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const under = (folder: string): string[] =>
  readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}${name}`);

/** The rows of docs/http-rules.md: id and the files that decide it. */
const rows = [...read('docs/http-rules.md').matchAll(/^\| ([A-Z]\d+) +\|.*\| ([^|]+) \|$/gm)].map(
  ([, id = '', files = '']) => ({ id, files: [...files.matchAll(/`([^`]+)`/g)].map(([, file]) => file) }),
);
const ids = new Set(rows.map(({ id }) => id));
const sources = under('gateway/src/').filter((file) => !file.endsWith('.test.ts'));

describe('docs/http-rules.md', () => {
  it('lists each rule once, in order', () => {
    const rules = rows.map(({ id }) => id).filter((id) => id.startsWith('R'));
    expect(rules).toEqual([...new Set(rules)].sort());
    expect(rows).toHaveLength(ids.size);
  });

  it('names files that say the id of the rule', () => {
    for (const { id, files } of rows) {
      expect(files, id).not.toEqual([]);
      for (const file of files) {
        const path = `gateway/src/${file ?? ''}`;
        expect(sources, id).toContain(path);
        if (id.startsWith('R')) expect(read(path), `${id} in ${path}`).toMatch(new RegExp(`\\b${id}\\b`));
      }
    }
  });

  it('lists every rule that a source cites', () => {
    const cited = sources.flatMap((file) => read(file).match(/\bR\d\d\b/g) ?? []);
    expect([...new Set(cited)].filter((id) => !ids.has(id))).toEqual([]);
  });

  it('lists what the conformance suite demands, and nothing else', () => {
    const cases = under('test/conformance/').flatMap((file) => [
      ...read(file).matchAll(/'([FGIPRSW]\d{1,2})[a-z]?'/g),
    ]);
    expect([...new Set(cases.map(([, id = '']) => id))].sort()).toEqual([...ids].sort());
  });
});
