import { describe, expect, it } from 'vitest';

import type { RowResult, Summary } from './compare.ts';
import { judgeGoals } from './goals.ts';
import { resultTable } from './result-table.ts';

const nothing: Summary = {
  perSecond: 1000,
  cpuUs: undefined,
  cpuShare: undefined,
  p50Us: undefined,
  p99Us: undefined,
  peakBytes: 2 ** 20,
  bytesPerConnection: undefined,
  errors: 0,
  cpuSpread: 0,
};
const row = (name: string, figures: Partial<Summary>): RowResult => ({
  kind: 'measured',
  row: name,
  summary: { ...nothing, ...figures },
  samples: [],
});
const small = (...rows: RowResult[]) => ({ scenario: 'small', title: 'Small', method: '', rows });

describe('judgeGoals', () => {
  it('compares the wire engine with each peer that was measured', () => {
    const results = [
      small(row('wire', { cpuUs: 13 }), row('haproxy', { cpuUs: 10 }), row('caddy', { cpuUs: 26 })),
    ];
    expect(judgeGoals(results).map(({ measured, verdict }) => [measured, verdict])).toEqual([
      [1.3, 'reached'],
      [0.5, 'missed'],
    ]);
  });

  it('judges nothing without the row it is about', () => {
    expect(judgeGoals([small(row('haproxy', { cpuUs: 10 }))])).toEqual([]);
  });
});

describe('resultTable', () => {
  it('puts ratios to the reference beside the figures and lists what failed with its reason', () => {
    const rows: RowResult[] = [
      row('wire', { cpuUs: 12.34 }),
      row('haproxy', { cpuUs: 10 }),
      { kind: 'failed', row: 'nginx', reason: 'it has ended' },
    ];
    const { table, failures } = resultTable(small(...rows), {
      reference: 'haproxy',
      titles: new Map([['haproxy', 'HAProxy']]),
    });
    const ratio = table.headers.indexOf('CPU ÷ HAProxy');
    expect(table.rows.map((cells) => [cells[0], cells[2], cells[ratio]])).toEqual([
      ['wire', '12.3', '1.23'],
      ['HAProxy', '10.0', '1.00'],
    ]);
    expect(failures).toEqual(['nginx: it has ended']);
  });
});
