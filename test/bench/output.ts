import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { format } from 'prettier';

import { repositoryRoot } from '../kit/processes.ts';
import { markdownTable, plainTable, type TextTable } from './text-table.ts';

/** A part of a report: a heading, remarks, a table. */
export interface Section {
  readonly title: string;
  readonly remarks: readonly string[];
  readonly table: TextTable | undefined;
}

/** Where a report goes, besides the JSON. */
export interface OutputOptions {
  readonly format: 'text' | 'markdown';
  /** `update`: the tables in `docs/benchmarks.md` (those of attacks: `docs/reliability.md`) are replaced. */
  readonly docs: 'leave' | 'update';
  readonly jsonFile: string | undefined;
}

/** Prints a report, and writes what else is asked for. `part`: which place of the page it fills. */
export async function publish(
  part: 'compare' | 'against' | 'prompt' | 'table' | 'storm' | 'attack',
  { sections, data }: { readonly sections: readonly Section[]; readonly data: unknown },
  options: OutputOptions,
): Promise<void> {
  process.stdout.write(`${options.format === 'markdown' ? asMarkdown(sections) : asText(sections)}\n`);
  if (options.jsonFile !== undefined)
    writeFileSync(options.jsonFile, `${JSON.stringify(data, undefined, 2)}\n`);
  if (options.docs === 'update') {
    const page = join(repositoryRoot, part === 'attack' ? 'docs/reliability.md' : 'docs/benchmarks.md');
    const text = replacePart(readFileSync(page, 'utf8'), part, asMarkdown(sections));
    writeFileSync(page, await format(text, { parser: 'markdown', printWidth: 110 }));
  }
}

function asText(sections: readonly Section[]): string {
  return sections
    .map(({ title, remarks, table }) =>
      [
        '',
        title,
        ...(table === undefined ? [] : ['', plainTable(table)]),
        ...remarks.map((one) => `  ${one}`),
      ].join('\n'),
    )
    .join('\n');
}

function asMarkdown(sections: readonly Section[]): string {
  return sections
    .map(({ title, remarks, table }) =>
      [`### ${title}`, ...remarks, ...(table === undefined ? [] : [markdownTable(table)])].join('\n\n'),
    )
    .join('\n\n');
}

/** Replaces what stands between `<!-- bench:PART -->` and `<!-- /bench:PART -->`. Throws when the page has no such place. */
export function replacePart(page: string, part: string, text: string): string {
  const [begin, end] = [`<!-- bench:${part} -->`, `<!-- /bench:${part} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`the page has no ${begin} … ${end}`);
  return `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`;
}
