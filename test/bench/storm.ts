/**
 * `npm run bench:storm`: what 300 registrations a second into a registry of 5,000 instances do to the requests that a gateway serves
 * meanwhile. Quiet phases and storms take turns, and so does a third kind: the same storm in another agent, with another reader. What that one adds is
 * the machine's doing; what the storm adds beyond it is the gateway's.
 */
import { get } from '../kit/load.ts';
import { eventually } from '../kit/eventually.ts';
import { startProcess, type TestProcess } from '../kit/processes.ts';
import { type BenchArguments } from './arguments.ts';
import { untilAnswers } from './backdrop.ts';
import { runCommand } from './command.ts';
import { planCores, type Cores } from './cores.ts';
import { endProgress, showProgress } from './lifetime.ts';
import { paced } from './load/paced.ts';
import { describeMachine, machineLine } from './machine.ts';
import { publish, type Section } from './output.ts';
import { freePorts } from '../kit/ports.ts';
import { usageOf } from './process-usage.ts';
import { median } from './statistics.ts';

const limitMs = 8 * 60_000;
const instances = 5_000;
const registrationsPerSecond = 300;
const requestsPerSecond = 1_000;
const connections = 32;
/** Between two phases, so that the end of one is not measured with the next. */
const settleMs = 1_500;
/** What the 99th percentile may become by the storm. */
const goal = 1.1;

/** `elsewhere`: the same storm, in an agent that the gateway does not follow. */
const phases = ['quiet', 'elsewhere', 'storm'] as const;
type Phase = (typeof phases)[number];

const titles: Readonly<Record<Phase, string>> = {
  quiet: 'quiet',
  elsewhere: 'a storm that the gateway does not follow',
  storm: 'a storm that it follows',
};

/** How the instances are spread. */
const layouts = [
  { title: '5,000 instances of one service', services: 1 },
  { title: '50 services of 100 instances', services: 50 },
] as const;

/** One phase of one round. */
interface Sample {
  readonly phase: Phase;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
  /** User and system time of the gateway, as a share of a core. */
  readonly cpuShare: number;
  /** Time that the gateway's event loop lost to stalls of more than 20 ms, per second. */
  readonly stalledMsPerSecond: number;
  readonly longestStallMs: number;
  /** Registrations and deregistrations that the agent confirmed. */
  readonly changes: number;
}

interface Pace {
  readonly rounds: number;
  readonly phaseMs: number;
}

/** What runs during the measurement of one layout. */
interface Stage {
  readonly gateway: { readonly pid: number; readonly port: number; readonly adminPort: number };
  /** Where the storms of the two agents are ordered. */
  readonly control: Readonly<Record<Exclude<Phase, 'quiet'>, number>>;
  stop(): Promise<void>;
}

async function startStage(services: number, cores: Cores): Promise<Stage> {
  const [origin = 0, followed = 0, other = 0, port = 0, adminPort = 0, here = 0, there = 0] =
    await freePorts(7);
  const children: TestProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(children.map((child) => child[Symbol.asyncDispose]()));
  };
  const launch = async (
    args: readonly string[],
    options: { readonly prefix?: readonly string[]; readonly env?: Readonly<Record<string, string>> } = {},
  ): Promise<TestProcess> => {
    const [command = process.execPath, ...all] = [...(options.prefix ?? []), process.execPath, ...args];
    const child = await startProcess({ command, args: all, env: options.env ?? {} });
    children.push(child);
    return child;
  };
  try {
    await launch(['test/bench/peers/origin.mjs', String(origin)]);
    const agents = { storm: followed, elsewhere: other };
    for (const agent of Object.values(agents))
      await launch(['gateway/dist/cli.js', 'consul', '--port', String(agent)]);
    await Promise.all(
      Object.values(agents).map((agent) => untilAnswers(`http://127.0.0.1:${agent}/v1/agent/services`)),
    );
    await fetch(`http://127.0.0.1:${followed}/v1/agent/service/register`, {
      method: 'PUT',
      body: JSON.stringify({
        ID: 'web-1',
        Name: 'web',
        Address: '127.0.0.1',
        Port: origin,
        Tags: ['urlprefix-/small'],
      }),
    });
    const control = { storm: here, elsewhere: there };
    for (const phase of ['storm', 'elsewhere'] as const) {
      await launch(
        [
          'test/bench/peers/storm.mjs',
          control[phase],
          agents[phase],
          'crowd',
          services,
          instances,
          origin,
        ].map(String),
      );
    }
    await Promise.all(
      Object.values(control).map((one) => untilAnswers(`http://127.0.0.1:${one}/filled`, 60_000)),
    );
    await get(`http://127.0.0.1:${there}/follow`);
    const gateway = await launch(['gateway/dist/cli.js', 'run'], {
      prefix: cores.proxyPrefix,
      env: {
        CONSUL_HTTP_ADDR: `http://127.0.0.1:${followed}`,
        GATEWAY_HOST: '127.0.0.1',
        GATEWAY_PORT: String(port),
        GATEWAY_ADMIN_PORT: String(adminPort),
        GATEWAY_ANNOUNCE: 'off',
        ACCESS_LOG: 'off',
        LOG_LEVEL: 'error',
      },
    });
    await untilAnswers(`http://127.0.0.1:${port}/small`);
    await eventually(async () => {
      const { body } = await get(`http://127.0.0.1:${adminPort}/api/summary`);
      if (!body.includes(`"instances":${instances + 1}`)) throw new Error(`not all are known yet: ${body}`);
    }, 20_000);
    return { gateway: { pid: gateway.pid, port, adminPort }, control, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Both are counted from the call before: the gauge by the gateway, the counter by the subtraction here. */
async function stalls(adminPort: number): Promise<{ readonly totalMs: number; readonly longestMs: number }> {
  const { body } = await get(`http://127.0.0.1:${adminPort}/metrics`);
  const value = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(body)?.[1]) * 1000;
  return {
    totalMs: value('gateway_stalled_seconds_total'),
    longestMs: value('gateway_stall_longest_seconds'),
  };
}

async function measure(phase: Phase, stage: Stage, durationMs: number): Promise<Sample> {
  const { gateway, control } = stage;
  const before = await stalls(gateway.adminPort);
  const { cpuUs } = usageOf(gateway.pid);
  const storm =
    phase === 'quiet'
      ? Promise.resolve({ body: '0' })
      : get(`http://127.0.0.1:${control[phase]}/storm?rate=${registrationsPerSecond}&ms=${durationMs}`);
  const load = await paced(
    gateway.port,
    { path: '/small', uploadBytes: 0, connections, connectionUse: 'kept' },
    { ratePerSecond: requestsPerSecond, durationMs },
  );
  const usedUs = usageOf(gateway.pid).cpuUs - cpuUs;
  const changes = Number((await storm).body);
  const after = await stalls(gateway.adminPort);
  return {
    phase,
    p50Ms: load.p50Us / 1000,
    p99Ms: load.p99Us / 1000,
    failed: load.errors,
    cpuShare: usedUs / 1000 / load.elapsedMs,
    stalledMsPerSecond: ((after.totalMs - before.totalMs) * 1000) / durationMs,
    longestStallMs: after.longestMs,
    changes,
  };
}

async function measureLayout(
  { title, services }: (typeof layouts)[number],
  cores: Cores,
  { rounds, phaseMs }: Pace,
): Promise<readonly Sample[]> {
  const stage = await startStage(services, cores);
  const samples: Sample[] = [];
  try {
    showProgress(`${title}: warming up`);
    for (const phase of phases) await measure(phase, stage, Math.min(phaseMs, 3_000));
    for (let round = 1; round <= rounds; round += 1) {
      for (const phase of phases) {
        showProgress(`${title}: round ${round} of ${rounds}, ${titles[phase]}`);
        await pause(settleMs);
        samples.push(await measure(phase, stage, phaseMs));
      }
    }
    return samples;
  } finally {
    await stage.stop();
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function section(title: string, samples: readonly Sample[], pace: Pace): Section {
  const of = (phase: Phase, what: (sample: Sample) => number): readonly number[] =>
    samples.filter((sample) => sample.phase === phase).map(what);
  const p99 = (phase: Phase): number => median(of(phase, (sample) => sample.p99Ms));
  const changesPerSecond = median(of('storm', ({ changes }) => changes)) / (pace.phaseMs / 1000);
  const ratio = p99('storm') / p99('elsewhere');
  return {
    title,
    remarks: [
      `${requestsPerSecond.toLocaleString('en')} requests/s over ${connections} connections, ${pace.rounds} × ${pace.phaseMs / 1000} s of each phase, medians; ${Math.round(changesPerSecond)} changes/s (registrations and as many deregistrations).`,
      `p99 of the storm ÷ p99 of the same storm elsewhere: ${ratio.toFixed(2)}; ÷ quiet: ${(p99('storm') / p99('quiet')).toFixed(2)}. Goal: ≤ ${goal}, ${ratio <= goal ? 'reached' : 'missed'}.`,
    ],
    table: {
      headers: ['', 'p50 ms', 'p99 ms', 'core %', 'stalled ms/s', 'longest stall ms', 'failed'],
      rows: phases.map((phase) => [
        titles[phase],
        median(of(phase, (sample) => sample.p50Ms)).toFixed(2),
        `${p99(phase).toFixed(2)} (${of(phase, (sample) => sample.p99Ms)
          .map((ms) => ms.toFixed(1))
          .join(', ')})`,
        (100 * median(of(phase, (sample) => sample.cpuShare))).toFixed(0),
        median(of(phase, (sample) => sample.stalledMsPerSecond)).toFixed(1),
        Math.max(...of(phase, (sample) => sample.longestStallMs)).toFixed(0),
        String(of(phase, (sample) => sample.failed).reduce((sum, one) => sum + one, 0)),
      ]),
    },
  };
}

async function bench(args: BenchArguments): Promise<void> {
  const pace = args.pace === 'full' ? { rounds: 3, phaseMs: 12_000 } : { rounds: 1, phaseMs: 4_000 };
  const machine = describeMachine();
  const cores = planCores();
  const results: { readonly title: string; readonly samples: readonly Sample[] }[] = [];
  for (const layout of layouts)
    results.push({ title: layout.title, samples: await measureLayout(layout, cores, pace) });
  endProgress();
  await publish(
    'storm',
    {
      sections: [
        ...results.map(({ title, samples }) => section(title, samples, pace)),
        {
          title: 'This run of the storm',
          remarks: [`${machineLine(machine)}.`, `${cores.description}.`],
          table: undefined,
        },
      ],
      data: { machine, cores: cores.description, pace, results },
    },
    args,
  );
}

await runCommand(limitMs, bench);
