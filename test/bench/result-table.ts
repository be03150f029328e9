import type { RowResult, ScenarioResult, Summary } from './compare.ts';
import type { TextTable } from './text-table.ts';

interface Column {
  readonly header: string;
  /** `reference`: the same scenario's figures for the row that all are compared with, where there are any. */
  cell(summary: Summary, reference: Summary | undefined): string;
}

const none = '–';
const figure = (value: number | undefined, digits: number): string =>
  value === undefined
    ? none
    : value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const milliseconds = (us: number | undefined): string => figure(us === undefined ? undefined : us / 1000, 2);
const megabytes = (bytes: number): string => figure(bytes / 2 ** 20, 0);
const kilobytes = (bytes: number | undefined): string =>
  figure(bytes === undefined ? undefined : bytes / 1024, 1);
const ratio = (value: number | undefined, reference: number | undefined): string =>
  value === undefined || reference === undefined || reference === 0 ? none : figure(value / reference, 2);

const peak: Column = { header: 'peak MB', cell: (row) => megabytes(row.peakBytes) };
const errors: Column = { header: 'errors', cell: (row) => figure(row.errors, 0) };

const loadColumns = (unit: string, referenceTitle: string): readonly Column[] => [
  { header: `${unit}s/s`, cell: (row) => figure(row.perSecond, 0) },
  { header: `CPU µs/${unit}`, cell: (row) => figure(row.cpuUs, 1) },
  { header: '± %', cell: (row) => figure((row.cpuSpread * 100) / 2, 0) },
  { header: `CPU ÷ ${referenceTitle}`, cell: (row, reference) => ratio(row.cpuUs, reference?.cpuUs) },
  {
    header: 'core %',
    cell: (row) => figure(row.cpuShare === undefined ? undefined : row.cpuShare * 100, 0),
  },
  { header: 'p50 ms', cell: (row) => milliseconds(row.p50Us) },
  { header: 'p99 ms', cell: (row) => milliseconds(row.p99Us) },
  { header: `p99 ÷ ${referenceTitle}`, cell: (row, reference) => ratio(row.p99Us, reference?.p99Us) },
  peak,
  errors,
];

const idleColumns = (referenceTitle: string): readonly Column[] => [
  { header: 'KB/connection', cell: (row) => kilobytes(row.bytesPerConnection) },
  {
    header: `÷ ${referenceTitle}`,
    cell: (row, reference) => ratio(row.bytesPerConnection, reference?.bytesPerConnection),
  },
  peak,
  errors,
];

/** The figures of one scenario as a table, and the rows that have none with their reasons. */
export function resultTable(
  result: ScenarioResult,
  names: { readonly reference: string; readonly titles: ReadonlyMap<string, string> },
): { readonly table: TextTable; readonly failures: readonly string[] } {
  const title = (row: string): string => names.titles.get(row) ?? row;
  const measured = result.rows.filter((row) => row.kind === 'measured');
  const reference = summaryOf(result.rows, names.reference);
  const referenceTitle = title(names.reference);
  const columns =
    result.scenario === 'idle'
      ? idleColumns(referenceTitle)
      : loadColumns(result.scenario === 'ws' ? 'message' : 'request', referenceTitle);
  return {
    table: {
      headers: ['', ...columns.map((column) => column.header)],
      rows: measured.map(({ row, summary }) => [
        title(row),
        ...columns.map((column) => column.cell(summary, reference)),
      ]),
    },
    failures: result.rows
      .filter((row) => row.kind === 'failed')
      .map(({ row, reason }) => `${title(row)}: ${reason}`),
  };
}

/** The figures of one row, or undefined when it has none. */
export function summaryOf(rows: readonly RowResult[], name: string): Summary | undefined {
  const row = rows.find((one) => one.row === name);
  return row?.kind === 'measured' ? row.summary : undefined;
}
