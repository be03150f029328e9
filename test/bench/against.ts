/**
 * `npm run bench:against -- DIR [--rounds 12] [--only small,upload]`: this build beside the one in another checkout (built there),
 * in turns, with the median of the paired ratios of CPU time and its 95 % interval. "Not slower" in the design means this.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { startBackdrop } from './backdrop.ts';
import { runScenario, type RowResult } from './compare.ts';
import { idleConnectionsWithin, planCores, raiseFileLimit } from './cores.ts';
import { boundLifetime, endProgress, showProgress } from './lifetime.ts';
import { findWrk } from './load/wrk.ts';
import { describeMachine, machineLine } from './machine.ts';
import { publish } from './output.ts';
import { gatewayContender } from './proxies/gateway.ts';
import type { Sample } from './scenario.ts';
import { createScenarios } from './scenarios.ts';
import { pairedRatio } from './statistics.ts';

const limitMs = 30 * 60_000;
const usual = ['small', '100k', '1m', 'upload', 'newconn', 'idle', 'ws'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '12' },
    only: { type: 'string' },
    engine: { type: 'string', default: 'wire' },
    json: { type: 'string' },
  },
});
const [other] = positionals;
if (other === undefined) {
  console.error('usage: npm run bench:against -- DIR [--rounds N] [--only small,upload] [--engine wire]');
  process.exit(2);
}
const rounds = Number(values.rounds);
const names = values.only?.split(',') ?? usual;
boundLifetime(limitMs);

const before = gatewayContender(values.engine, { name: 'before', title: 'before', folder: resolve(other) });
const after = gatewayContender(values.engine, { name: 'after', title: 'after', folder: process.cwd() });
const idleConnections = idleConnectionsWithin(raiseFileLimit(65_536));
const cores = planCores();
const backdrop = await startBackdrop();
const rows: (readonly string[])[] = [];
const data: unknown[] = [];
try {
  const scenarios = createScenarios({
    pace: 'full',
    wrkVersion: findWrk(),
    folder: backdrop.folder,
    idleConnections,
  });
  for (const scenario of scenarios.filter(({ name }) => names.includes(name))) {
    const given = { backdrop, cores, progress: showProgress };
    const turns = scenario.name === 'idle' ? 1 : rounds;
    const result = await runScenario({ ...scenario, rounds: turns }, [before, after], given);
    data.push(result);
    const figure = ({ cpuUs, bytesPerConnection }: Sample): number =>
      cpuUs ?? bytesPerConnection ?? Number.NaN;
    const [was, is] = [samplesOf(result.rows, 'before'), samplesOf(result.rows, 'after')];
    const { median, low, high, pairs } = pairedRatio(is.map(figure), was.map(figure));
    rows.push([result.title, median.toFixed(3), `${low.toFixed(3)}–${high.toFixed(3)}`, String(pairs)]);
  }
} finally {
  endProgress();
  await backdrop.stop();
}
await publish(
  'against',
  {
    sections: [
      {
        title: `This build beside ${resolve(other)}`,
        remarks: [
          `${machineLine(describeMachine())}.`,
          'Ratio of CPU time per request (memory per connection for idle ones), after ÷ before.',
        ],
        table: { headers: ['', 'median', '95 %', 'pairs'], rows },
      },
    ],
    data,
  },
  { format: 'text', docs: 'leave', jsonFile: values.json },
);

function samplesOf(results: readonly RowResult[], name: string): readonly Sample[] {
  const row = results.find((one) => one.row === name);
  if (row?.kind === 'measured') return row.samples;
  throw new Error(`${name}: ${row?.reason ?? 'not measured'}`);
}
