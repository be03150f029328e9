/**
 * `npm run bench:attack`: what clients notice while another one attacks the proxy, each in a process of its own. The tables are in
 * docs/reliability.md. Flags as in `npm run bench`; the names of the attacks go with `--only`.
 */
import { attacks } from './attacks/attacks.ts';
import type { Attack } from './attacks/attack.ts';
import type { BenchArguments } from './arguments.ts';
import { startBackdrop, type Backdrop } from './backdrop.ts';
import { runCommand } from './command.ts';
import { planCores, raiseFileLimit, type Cores } from './cores.ts';
import { endProgress, showProgress } from './lifetime.ts';
import { paced } from './load/paced.ts';
import { describeMachine, machineLine } from './machine.ts';
import { publish, type Section } from './output.ts';
import { contenders } from './proxies/contenders.ts';
import type { Contender } from './proxies/contender.ts';
import { startProxy } from './proxy-run.ts';

const limitMs = 15 * 60_000;
const rows = ['wire', 'http-proxy', 'haproxy', 'nginx'];
/** What Node takes by itself in a container of 1 GB. */
const heapMb = 256;
const canary = { path: '/small', uploadBytes: 0, connections: 4, connectionUse: 'renewed' } as const;
const canariesPerSecond = 50;
const sampleMs = 100;

/** What one proxy did under one attack. */
interface Trial {
  readonly attack: string;
  readonly row: string;
  readonly asked: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly peakMb: number;
  readonly process: 'runs' | 'ended';
  readonly outcome: string;
}

async function tryOut(
  attack: Attack,
  contender: Contender,
  { backdrop, cores }: { readonly backdrop: Backdrop; readonly cores: Cores },
): Promise<Trial> {
  const limits = attack.openFiles === undefined ? [] : ['prlimit', `--nofile=${attack.openFiles}`];
  const heap = ['env', `NODE_OPTIONS=--max-old-space-size=${heapMb}`];
  const proxyPrefix = [...cores.proxyPrefix, ...limits, ...heap];
  await backdrop.register(attack.origins);
  const proxy = await startProxy(contender, {
    backdrop,
    cores: { ...cores, proxyPrefix },
    origins: attack.origins,
    connections: attack.connections,
  });
  let peakBytes = 0;
  let state: Trial['process'] = 'runs';
  const look = (): void => {
    try {
      peakBytes = Math.max(peakBytes, proxy.usage().residentBytes);
    } catch {
      state = 'ended';
    }
  };
  const sampling = setInterval(look, sampleMs);
  const end = new AbortController();
  try {
    const running = attack.run(proxy, end.signal);
    const seen = await paced(proxy.port, canary, {
      ratePerSecond: canariesPerSecond,
      durationMs: attack.seconds * 1000,
    });
    look();
    end.abort();
    return {
      attack: attack.name,
      row: contender.name,
      asked: canariesPerSecond * attack.seconds,
      failed: seen.errors,
      p50Ms: seen.p50Us / 1000,
      p99Ms: seen.p99Us / 1000,
      peakMb: peakBytes / 1e6,
      process: state,
      outcome: await running,
    };
  } finally {
    end.abort();
    clearInterval(sampling);
    await proxy.stop();
  }
}

function section({ name, title, method, seconds }: Attack, trials: readonly Trial[]): Section {
  return {
    title,
    remarks: [
      `${method}; meanwhile ${canariesPerSecond} small GETs a second on new connections for ${seconds} s.`,
    ],
    table: {
      headers: ['', 'asked', 'failed', 'p50 ms', 'p99 ms', 'peak MB', 'process', 'attack'],
      rows: trials
        .filter((trial) => trial.attack === name)
        .map(({ row, asked, failed, p50Ms, p99Ms, peakMb, process, outcome }) => [
          row,
          String(asked),
          String(failed),
          p50Ms.toFixed(1),
          p99Ms.toFixed(1),
          peakMb.toFixed(0),
          process,
          outcome,
        ]),
    },
  };
}

async function bench(args: BenchArguments): Promise<void> {
  const machine = describeMachine();
  const cores = planCores();
  raiseFileLimit(65_536);
  const chosen = attacks.filter(({ name }) => args.only?.includes(name) ?? true);
  const found = contenders.filter(({ name }) => (args.rows ?? rows).includes(name) && rows.includes(name));
  const present = found.filter((contender) => contender.find().kind === 'found');
  const backdrop = await startBackdrop();
  const trials: Trial[] = [];
  try {
    for (const attack of chosen) {
      await attack.prepare?.(backdrop.consulPort);
      for (const contender of present) {
        if (attack.rows?.includes(contender.name) === false) continue;
        showProgress(`${attack.name}: ${contender.name}`);
        trials.push(await tryOut(attack, contender, { backdrop, cores }));
      }
    }
  } finally {
    endProgress();
    await backdrop.stop();
  }
  const run = {
    title: 'This run of the attacks',
    remarks: [`${machineLine(machine)}.`, `${cores.description}; Node with --max-old-space-size=${heapMb}.`],
    table: undefined,
  };
  await publish(
    'attack',
    { sections: [...chosen.map((attack) => section(attack, trials)), run], data: { machine, trials } },
    args,
  );
}

await runCommand(limitMs, bench, { scenarios: attacks.map(({ name }) => name), rows });
