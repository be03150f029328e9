/** A table to print: the first column is text, the others are figures and stand to the right. */
export interface TextTable {
  readonly headers: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** For a terminal. */
export function plainTable(table: TextTable): string {
  const widths = widthsOf(table);
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, k) => pad(cell, widths[k] ?? 0, k))
      .join('  ')
      .trimEnd();
  return [
    line(table.headers),
    widths.map((width) => '─'.repeat(width)).join('  '),
    ...table.rows.map(line),
  ].join('\n');
}

/** For a page, as GitHub's Markdown. */
export function markdownTable(table: TextTable): string {
  const widths = widthsOf(table).map((width) => Math.max(3, width));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, k) => pad(cell, widths[k] ?? 0, k)).join(' | ')} |`;
  const rule = widths.map((width, k) => (k === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(table.headers), `| ${rule.join(' | ')} |`, ...table.rows.map(line)].join('\n');
}

function widthsOf({ headers, rows }: TextTable): readonly number[] {
  return headers.map((header, k) => Math.max(header.length, ...rows.map((row) => row[k]?.length ?? 0)));
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
