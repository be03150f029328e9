/** `npm run chaos:compare`: the same faults under the same load in front of the gateway and its peers. `docs/reliability.md` has the result. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { format } from 'prettier';

import { describeMachine, machineLine } from '../bench/machine.ts';
import { freePorts } from '../kit/ports.ts';
import { markdownTable } from '../bench/text-table.ts';
import { startRealConsul } from '../kit/consul-agent.ts';
import { repositoryRoot } from '../kit/processes.ts';
import { faults, type Fault } from './faults.ts';
import { classic } from './peers/classic.ts';
import { haproxy } from './peers/haproxy.ts';
import { nginx } from './peers/nginx.ts';
import { untilServes, type Peer } from './peers/peer.ts';
import { roundhouse } from './peers/roundhouse.ts';
import { createDisposal } from '../kit/disposal.ts';
import { startChaosLoad } from './rig/load.ts';
import { createJournal, startOrigin, type Origin } from './rig/origins.ts';
import { judge } from './rig/verdict.ts';

const peers: readonly Peer[] = [roundhouse, haproxy, nginx, classic];
const instances = 3;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rows: { type: 'string' },
    rate: { type: 'string', default: '300' },
    json: { type: 'string' },
    docs: { type: 'boolean', default: false },
  },
});
const perSecond = Number(values.rate);
const chosen = <T extends { readonly name: string }>(
  all: readonly T[],
  names: string | undefined,
): readonly T[] => (names === undefined ? all : all.filter(({ name }) => names.split(',').includes(name)));

/** What one peer made of one fault. */
interface Trial {
  readonly peer: string;
  readonly fault: string;
  readonly sent: number;
  readonly failed: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly duplicated: number;
  readonly crossed: number;
}

/** Everything is new for each trial, and ends with it. */
async function attempt(peer: Peer, fault: Fault): Promise<Trial> {
  const stack = createDisposal();
  try {
    const folder = mkdtempSync(join(tmpdir(), 'roundhouse-peer-'));
    stack.use({
      [Symbol.dispose]: () => {
        rmSync(folder, { recursive: true, force: true });
      },
    });
    const journal = stack.use(createJournal());
    const consul = stack.use(await startRealConsul({ dns: 'on' }));
    const origins: Origin[] = [];
    const start = async (options: object = {}): Promise<Origin> => {
      const { env, ...others } = options as { readonly env?: Readonly<Record<string, string>> };
      // Long enough for a peer that asks Consul once a second; the SDK's own default is shorter.
      const full = { ...others, env: { PROPAGATION_MS: '2000', ...env } };
      const origin = stack.use(await startOrigin({ consul: consul.address, journal, ...full }));
      origins.push(origin);
      return origin;
    };
    for (let count = 0; count < instances; count += 1) await start();
    const [port = 0] = await freePorts(1);
    const { address, port: consulPort, dnsPort } = consul;
    stack.use(await peer.start({ port, consul: address, consulPort, dnsPort, folder }));
    const url = `http://127.0.0.1:${port}`;
    await untilServes(url);
    const load = stack.use(await startChaosLoad({ url, perSecond, patienceMs: 10_000 }));
    await load.untilAnswered(perSecond * 2);
    await fault.happen({ consul, origins, load, startOrigin: start });
    const report = await load.stop();
    const { crossed, duplicated } = judge(report, { journal, processes: [] });
    const { sent, failed, failures } = report;
    const counts = { sent, failed, failures, duplicated: duplicated.length, crossed: crossed.length };
    return { peer: peer.name, fault: fault.name, ...counts };
  } finally {
    await stack[Symbol.asyncDispose]();
  }
}

function cell({ sent, failed, duplicated, crossed }: Trial): string {
  const share = (failed / sent) * 100;
  const parts = [failed === 0 ? '**0**' : `${failed} (${share < 0.1 ? '<0.1' : share.toFixed(1)} %)`];
  if (crossed > 0) parts.push(`${crossed} from a stranger`);
  if (duplicated > 0) parts.push(`${duplicated} POST twice`);
  return parts.join(', ');
}

/** What failed, by kind, for those who want to know. */
function kinds({ failures }: Trial): string {
  return Object.entries(failures)
    .sort(([, one], [, other]) => other - one)
    .map(([kind, count]) => `${kind} × ${count}`)
    .join(', ');
}

const machine = describeMachine();
const found = chosen(peers, values.rows).flatMap((peer) => {
  const search = peer.find();
  if (search.kind === 'found') return [{ peer, version: search.version }];
  console.error(`${peer.title} is left out: ${search.reason}`);
  return [];
});
const trials: Trial[] = [];
for (const fault of chosen(faults, values.only)) {
  for (const { peer } of found) {
    const trial = await attempt(peer, fault);
    trials.push(trial);
    console.error(`${fault.title} | ${peer.title}: ${cell(trial)} of ${trial.sent}  ${kinds(trial)}`);
  }
}

const table = markdownTable({
  headers: ['failed requests', ...found.map(({ peer }) => peer.title)],
  rows: chosen(faults, values.only).map((fault) => [
    fault.title,
    ...found.map(({ peer }) => {
      const trial = trials.find((one) => one.fault === fault.name && one.peer === peer.name);
      return trial === undefined ? '' : cell(trial);
    }),
  ]),
});
const text = [
  `${machineLine(machine)}. ${perSecond} requests/s, open loop, ${instances} instances; two of ten requests are POSTs.`,
  table,
  ...found.map(({ peer, version }) => `- **${peer.title}** (${version}): ${peer.setup}.`),
].join('\n\n');
console.log(text);
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ machine, trials }, undefined, 2)}\n`);
if (values.docs) {
  const page = join(repositoryRoot, 'docs', 'reliability.md');
  const before = readFileSync(page, 'utf8');
  const [begin, end] = ['<!-- chaos:compare -->', '<!-- /chaos:compare -->'];
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`docs/reliability.md has no ${begin} … ${end}`);
  const after = `${before.slice(0, from + begin.length)}\n\n${text}\n\n${before.slice(to)}`;
  writeFileSync(page, await format(after, { parser: 'markdown', printWidth: 110 }));
}
