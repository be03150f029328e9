/** `npm run bench`: the gateway and its peers side by side. `docs/benchmarks.md` describes method and flags. */
import { type BenchArguments } from './arguments.ts';
import { startBackdrop } from './backdrop.ts';
import { runScenario, type ScenarioResult } from './compare.ts';
import { runCommand } from './command.ts';
import { idleConnectionsWithin, planCores, raiseFileLimit } from './cores.ts';
import { judgeGoals, type GoalResult } from './goals.ts';
import { endProgress, showProgress } from './lifetime.ts';
import { findWrk } from './load/wrk.ts';
import { describeMachine, machineLine, type Machine } from './machine.ts';
import { publish, type Section } from './output.ts';
import { contenders, referenceName } from './proxies/contenders.ts';
import { resultTable } from './result-table.ts';
import { createScenarios } from './scenarios.ts';

/** Everything that a run found out; what `--json` writes. */
interface Report {
  readonly machine: Machine;
  readonly method: readonly string[];
  readonly versions: Readonly<Record<string, string>>;
  readonly skipped: readonly string[];
  readonly scenarios: readonly ScenarioResult[];
  readonly goals: readonly GoalResult[];
}

const limitMs = 15 * 60_000;

async function bench(args: BenchArguments): Promise<void> {
  const machine = describeMachine();
  const cores = planCores();
  const files = raiseFileLimit(65_536);
  const idleConnections = idleConnectionsWithin(files);
  const wrkVersion = findWrk();

  const chosen = contenders.filter(({ name }) => args.rows?.includes(name) ?? true);
  const found = chosen.map((contender) => ({ contender, found: contender.find() }));
  const present = found.flatMap((one) => (one.found.kind === 'found' ? [one.contender] : []));

  const backdrop = await startBackdrop();
  const results: ScenarioResult[] = [];
  try {
    const scenarios = createScenarios({
      pace: args.pace,
      wrkVersion,
      folder: backdrop.folder,
      idleConnections,
    }).filter(({ name }) => args.only?.includes(name) ?? true);
    for (const scenario of scenarios)
      results.push(await runScenario(scenario, present, { backdrop, cores, progress: showProgress }));
  } finally {
    endProgress();
    await backdrop.stop();
  }

  const report: Report = {
    machine,
    method: [
      cores.description,
      backdrop.description,
      wrkVersion === undefined
        ? 'generator: built-in; apt-get install wrk for one that takes less of the machine'
        : `generator: wrk ${wrkVersion}`,
      `pace: ${args.pace}; at most ${files} open files a process`,
    ],
    versions: Object.fromEntries(
      found.flatMap((one) => (one.found.kind === 'found' ? [[one.contender.name, one.found.version]] : [])),
    ),
    skipped: found.flatMap((one) =>
      one.found.kind === 'missing' ? [`${one.contender.title}: ${one.found.reason}`] : [],
    ),
    scenarios: results,
    goals: judgeGoals(results),
  };
  await publish('compare', { sections: sectionsOf(report), data: report }, args);
}

function sectionsOf(report: Report): readonly Section[] {
  const titles = new Map(contenders.map(({ name, title }) => [name, title]));
  const versions = Object.entries(report.versions).map(([name, version]) => `${name} ${version}`);
  return [
    ...report.scenarios.map((result): Section => {
      const { table, failures } = resultTable(result, { reference: referenceName, titles });
      return {
        title: result.title,
        remarks: [`${result.method}.`, ...failures.map((failure) => `Not measured: ${failure}`)],
        table,
      };
    }),
    ...(report.goals.length === 0 ? [] : [goalSection(report.goals)]),
    {
      title: 'This run',
      remarks: [
        `${machineLine(report.machine)}.`,
        ...report.method.map((line) => `${line}.`),
        `Versions: ${versions.join(', ')}.`,
        ...report.skipped.map((line) => `Skipped: ${line}`),
      ],
      table: undefined,
    },
  ];
}

function goalSection(goals: readonly GoalResult[]): Section {
  return {
    title: 'Goals of the wire engine',
    remarks: [],
    table: {
      headers: ['', 'measured', 'goal', ''],
      rows: goals.map(({ goal, measured, limit, verdict }) => [
        goal,
        measured.toFixed(2),
        `≤ ${limit}`,
        verdict,
      ]),
    },
  };
}

const scenarioNames = ['small', '100k', '1m', 'upload', 'newconn', 'idle', 'fixed', 'ws', 'fair'];
await runCommand(limitMs, bench, { scenarios: scenarioNames, rows: contenders.map(({ name }) => name) });
