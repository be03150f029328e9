/**
 * `npm run bench:prompt`: how soon the gateway follows a real Consul, and how soon it is back after `kill -9`. Everything but Consul and
 * the gateway runs in this process: the client, the origins and so one clock.
 */
import { findConsul, startRealConsul } from '../kit/real-consul.ts';
import { startProcess, type TestProcess } from '../kit/processes.ts';
import { type BenchArguments } from './arguments.ts';
import { untilAnswers } from './backdrop.ts';
import { runCommand } from './command.ts';
import { endProgress, showProgress } from './lifetime.ts';
import { describeMachine, machineLine } from './machine.ts';
import { publish, type Section } from './output.ts';
import { freePorts } from '../kit/ports.ts';
import { startPoller } from './poller.ts';
import { createPromptOrigin, type PromptOrigin } from './prompt-origin.ts';
import { percentile } from './statistics.ts';

const limitMs = 8 * 60_000;
const path = '/prompt';
/** Connections of the client, so that the moments are told finely. */
const connections = 4;
/** A change that has not shown by then is a failure of its own, and ends the run. */
const changeDeadlineMs = 10_000;
/** A deregistered instance is taken for quiet when this long and this many requests have passed without it. */
const quietMs = 100;
const quietRequests = 50;

interface Delays {
  /** From the moment in which the change was sent to Consul. */
  readonly sinceSentMs: number[];
  /** From the moment in which Consul confirmed it. */
  readonly sinceConfirmedMs: number[];
}

interface Gateway {
  readonly process: TestProcess;
  readonly port: number;
}

async function startGateway(port: number, consul: string): Promise<Gateway> {
  const process = await startProcess({
    args: ['gateway/dist/cli.js', 'run'],
    env: {
      CONSUL_HTTP_ADDR: consul,
      GATEWAY_HOST: '127.0.0.1',
      GATEWAY_PORT: String(port),
      GATEWAY_ADMIN_PORT: '0',
      GATEWAY_ANNOUNCE: 'off',
      ACCESS_LOG: 'off',
      LOG_LEVEL: 'warn',
    },
  });
  return { process, port };
}

/** Puts something to the agent; resolves with the moments of sending and confirmation. */
async function put(
  consul: string,
  what: string,
  body?: unknown,
): Promise<{ sentMs: number; confirmedMs: number }> {
  const sentMs = performance.now();
  const response = await fetch(`${consul}/v1/agent/service/${what}`, {
    method: 'PUT',
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`Consul refuses ${what}: ${response.status}`);
  return { sentMs, confirmedMs: performance.now() };
}

function instance(id: string, port: number): unknown {
  return { ID: id, Name: 'prompt', Address: '127.0.0.1', Port: port, Tags: [`urlprefix-${path}`] };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadlineMs = performance.now() + changeDeadlineMs;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`${what}: not within ${changeDeadlineMs} ms`);
    await pause(2);
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Lets one instance come and go beside another that stays, `changes` times each way. */
async function measureChanges(
  changes: number,
  {
    consul,
    newcomer,
    answered,
  }: {
    readonly consul: string;
    readonly newcomer: PromptOrigin;
    readonly answered: () => number;
  },
): Promise<{ readonly registration: Delays; readonly deregistration: Delays }> {
  const registration: Delays = { sinceSentMs: [], sinceConfirmedMs: [] };
  const deregistration: Delays = { sinceSentMs: [], sinceConfirmedMs: [] };
  for (let change = 1; change <= changes; change += 1) {
    showProgress(`change ${change} of ${changes}`);
    newcomer.forget();
    const joined = await put(consul, 'register', instance('newcomer', newcomer.port));
    await until(() => newcomer.firstMs() !== undefined, 'the newcomer is served');
    note(registration, joined, newcomer.firstMs() ?? NaN);
    // Away from the rhythm of everybody's timers.
    await pause(20 + Math.random() * 30);

    newcomer.forget();
    const left = await put(consul, 'deregister/newcomer');
    const before = answered();
    await until(
      () =>
        performance.now() - Math.max(left.confirmedMs, newcomer.lastMs() ?? 0) > quietMs &&
        answered() - before > quietRequests,
      'the one that left is left alone',
    );
    note(deregistration, left, newcomer.lastMs() ?? left.sentMs);
  }
  return { registration, deregistration };
}

function note(delays: Delays, at: { sentMs: number; confirmedMs: number }, happenedMs: number): void {
  delays.sinceSentMs.push(Math.max(0, happenedMs - at.sentMs));
  delays.sinceConfirmedMs.push(Math.max(0, happenedMs - at.confirmedMs));
}

/** Kills the gateway and starts it again on the same port at once, as a supervisor would. From the kill to the next 200, in ms. */
async function measureCrash(
  gateway: Gateway,
  consul: string,
): Promise<{ readonly next: Gateway; readonly tookMs: number }> {
  const killedMs = performance.now();
  gateway.process.signal('SIGKILL');
  await gateway.process.ended;
  const next = await startGateway(gateway.port, consul);
  await untilAnswers(`http://127.0.0.1:${gateway.port}${path}`);
  const tookMs = performance.now() - killedMs;
  await gateway.process[Symbol.asyncDispose]();
  return { next, tookMs };
}

async function bench(args: BenchArguments): Promise<void> {
  const consulFound = findConsul();
  if ('missing' in consulFound) {
    console.error(`bench:prompt needs a real Consul: ${consulFound.missing}`);
    process.exitCode = 1;
    return;
  }
  const { changes, crashes } =
    args.pace === 'full' ? { changes: 200, crashes: 10 } : { changes: 20, crashes: 2 };
  const machine = describeMachine();
  const consul = await startRealConsul();
  const steady = await createPromptOrigin();
  const newcomer = await createPromptOrigin();
  const [port = 0] = await freePorts(1);
  let gateway = await startGateway(port, consul.address);
  try {
    await put(consul.address, 'register', instance('steady', steady.port));
    await untilAnswers(`http://127.0.0.1:${port}${path}`);
    const poller = startPoller(port, path, connections);
    const delays = await measureChanges(changes, {
      consul: consul.address,
      newcomer,
      answered: () => poller.counts.answered,
    });
    poller.stop();
    const crashMs: number[] = [];
    for (let crash = 1; crash <= crashes; crash += 1) {
      showProgress(`kill -9 ${crash} of ${crashes}`);
      const { next, tookMs } = await measureCrash(gateway, consul.address);
      gateway = next;
      crashMs.push(tookMs);
    }
    endProgress();
    const { answered, failed } = poller.counts;
    await publish(
      'prompt',
      {
        sections: [
          section(delays, crashMs, [
            `${changes} changes each way, ${answered.toLocaleString('en')} requests meanwhile, of which ${failed} failed; ${connections} requests under way at a time.`,
            `${machineLine(machine)}, Consul ${consulFound.version} (agent -dev), nothing pinned.`,
          ]),
        ],
        data: { machine, consul: consulFound.version, delays, crashMs, answered, failed },
      },
      args,
    );
  } finally {
    await Promise.all([gateway.process[Symbol.asyncDispose](), steady.stop(), newcomer.stop()]);
    await consul.stop();
  }
}

function section(
  { registration, deregistration }: { readonly registration: Delays; readonly deregistration: Delays },
  crashMs: readonly number[],
  remarks: readonly string[],
): Section {
  const row = (title: string, samples: readonly number[]): readonly string[] => [
    title,
    ...[percentile(samples, 0.5), percentile(samples, 0.99), Math.max(...samples)].map((ms) => ms.toFixed(1)),
    String(samples.length),
  ];
  return {
    title: 'How soon a change in Consul shows',
    remarks,
    table: {
      headers: ['', 'p50 ms', 'p99 ms', 'max ms', 'samples'],
      rows: [
        row('registration sent → first request served', registration.sinceSentMs),
        row('registration confirmed → first request served', registration.sinceConfirmedMs),
        row('deregistration sent → last request sent', deregistration.sinceSentMs),
        row('deregistration confirmed → last request sent', deregistration.sinceConfirmedMs),
        row('gateway killed with SIGKILL and started again → serving', crashMs),
      ],
    },
  };
}

await runCommand(limitMs, bench);
