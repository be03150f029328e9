import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { errorTable } from '../gateway/src/exchange/errors.ts';
import { differences } from './conformance/differences.ts';

describe('docs/errors.md', () => {
  it('lists exactly the codes of the table, with their rules', () => {
    const text = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8');
    const rows = text.split('\n').filter((line) => line.startsWith('| `'));
    const cells = rows.map((row) =>
      row
        .split('|')
        .map((cell) => cell.trim().replaceAll('`', ''))
        .slice(1, -1),
    );
    const expected = Object.entries(errorTable).map(([code, rule]) => [
      code,
      String(rule.status),
      rule.proxyStatus,
      rule.blame,
      rule.retry,
      rule.detail,
    ]);
    expect(cells).toEqual(expected);
  });
});

describe('docs/engines.md', () => {
  it('lists exactly the cases in which an engine differs', () => {
    const text = readFileSync(new URL('../docs/engines.md', import.meta.url), 'utf8');
    const listed = [...text.matchAll(/^\| `(\w+)` +\| `([\w-]+)`/gm)].map(
      ([, id, engine]) => `${engine ?? ''} ${id ?? ''}`,
    );
    const real = Object.entries(differences).flatMap(([engine, cases]) =>
      Object.keys(cases).map((id) => `${engine} ${id}`),
    );
    expect(listed.sort()).toEqual(real.sort());
  });
});
