import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { replacePart } from './output.ts';
import { markdownTable, plainTable } from './text-table.ts';

const table = {
  headers: ['', 'µs'],
  rows: [
    ['HAProxy', '9.5'],
    ['nginx', '10'],
  ],
};

describe('tables', () => {
  it('stand straight in a terminal', () => {
    expect(plainTable(table)).toBe('          µs\n───────  ───\nHAProxy  9.5\nnginx     10');
  });

  it('are Markdown with figures to the right', () => {
    expect(markdownTable(table)).toBe(
      '|         |  µs |\n| ------- | --: |\n| HAProxy | 9.5 |\n| nginx   |  10 |',
    );
  });
});

describe('replacePart', () => {
  it('replaces one part of a page and leaves the rest as it is', () => {
    const page =
      'a\n<!-- bench:table -->\nold\n<!-- /bench:table -->\nb\n<!-- bench:prompt -->x<!-- /bench:prompt -->';
    expect(replacePart(page, 'table', '$& new')).toBe(
      'a\n<!-- bench:table -->\n\n$& new\n\n<!-- /bench:table -->\nb\n<!-- bench:prompt -->x<!-- /bench:prompt -->',
    );
  });

  it('refuses a page without the place', () => {
    expect(() => replacePart('nothing here', 'table', '')).toThrow('has no <!-- bench:table -->');
  });

  it.each(['compare', 'prompt', 'table'])('finds a place for %s in docs/benchmarks.md', (part) => {
    const page = readFileSync(new URL('../../docs/benchmarks.md', import.meta.url), 'utf8');
    expect(replacePart(page, part, 'figures')).toContain('figures');
  });
});
