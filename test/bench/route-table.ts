/**
 * `npm run bench:table`: what a large registry costs, with 5,000 routes and 10,000 instances. No sockets and no processes: the route table, the
 * upstreams and the registry of the gateway are called as the gateway calls them.
 */
import { setImmediate } from 'node:timers/promises';

import {
  type Catalog,
  compareSnapshots,
  type Instance,
  type SnapshotChange,
  type WatchEvent,
} from '@roundhouse/agent-sdk/internal';

import { defaults } from '../../gateway/src/config/defaults.ts';
import { createAddressPolicy } from '../../gateway/src/registry/addresses/address-policy.ts';
import { Registry } from '../../gateway/src/registry/registry.ts';
import { createRouteTable } from '../../gateway/src/routing/route-table.ts';
import { snapshot } from '../kit/builders.ts';
import { type BenchArguments } from './arguments.ts';
import { runCommand } from './command.ts';
import { figure, time, type Figure } from './figures.ts';
import { endProgress, showProgress } from './lifetime.ts';
import { describeMachine, machineLine } from './machine.ts';
import { publish } from './output.ts';
import { createPushed } from './pushed.ts';
import { numberedInstance, prefixOf, route } from './sample-registry.ts';
import { upstreamFigures } from './upstream-figures.ts';

const limitMs = 3 * 60_000;
const routeCount = 5_000;
const instanceCount = 10_000;

function tableFigures(scale: number): readonly Figure[] {
  const routes = Array.from({ length: routeCount }, (_, k) => route(k));
  const table = createRouteTable(routes);
  const asked = Array.from({ length: 10_000 }, (_, k) => ({
    host: k % 2 === 0 ? `team-${k % 100}.example.org` : 'localhost',
    path: `${prefixOf((k * 7919) % routeCount)}/items/${k}`,
  }));
  return [
    time('build a table of 5,000 routes', 'ms', { repetitions: 50 * scale, calls: 1 }, () => {
      createRouteTable(routes);
    }),
    time('match a path', 'µs', { repetitions: 20 * scale, calls: 10_000 }, (k) => {
      const one = asked[k];
      if (one !== undefined) table.match(one.host, one.path);
    }),
  ];
}

/** The registry as in a gateway, with watches that we feed: every service claims its share of the routes by tags. */
async function registryFigures({
  services,
  scale,
}: {
  readonly services: number;
  readonly scale: number;
}): Promise<readonly Figure[]> {
  const title = `${services.toLocaleString('en')} services`;
  showProgress(`a registry of ${title}`);
  const names = Array.from({ length: services }, (_, k) => `service-${k}`);
  const routesEach = routeCount / services;
  const instancesEach = instanceCount / services;
  const tag = (k: number): string => `urlprefix-${prefixOf(k)}`;
  const instancesOf = (service: number, extra: readonly string[]): readonly Instance[] =>
    Array.from({ length: instancesEach }, (_, k) => {
      const number = service * instancesEach + k;
      const tags = Array.from({ length: routesEach }, (_tag, r) => tag(service * routesEach + r));
      return numberedInstance(`service-${service}`, number, [...tags, ...extra], service + 1);
    });

  const end = new AbortController();
  const catalog = createPushed<WatchEvent<Catalog>>();
  const feeds = new Map(names.map((name) => [name, createPushed<WatchEvent<SnapshotChange>>()]));
  let swaps = 0;
  const registry = new Registry({
    config: { ...defaults, routes: [], services: [] },
    sources: [
      {
        name: 'dc1',
        trust: 'registry',
        watchService: (service, { signal }) =>
          feeds.get(service)?.until(signal) ?? createPushed<WatchEvent<SnapshotChange>>().until(signal),
        watchCatalog: ({ signal }) => catalog.until(signal),
      },
    ],
    addressPolicy: (rules, listeners) =>
      createAddressPolicy({ rules, listeners, consul: undefined, localAddresses: [] }),
    now: () => performance.now(),
    random: Math.random,
  });
  registry.subscribe({
    tableChanged: () => {
      swaps += 1;
    },
  });
  const running = registry.run(end.signal);
  const settle = async (done: () => boolean): Promise<void> => {
    const deadlineMs = performance.now() + 20_000;
    while (!done()) {
      if (performance.now() > deadlineMs) throw new Error(`the registry of ${title} does not settle`);
      await setImmediate();
    }
  };

  try {
    const startedMs = performance.now();
    catalog.push({
      kind: 'value',
      value: {
        index: '1',
        services: Object.fromEntries(names.map((name, k) => [name, [tag(k * routesEach)]])),
      },
    });
    names.forEach((name, k) =>
      feeds
        .get(name)
        ?.push({ kind: 'value', value: compareSnapshots(undefined, snapshot(name, instancesOf(k, []))) }),
    );
    await settle(() => registry.table.routes.length === routeCount);
    const syncMs = performance.now() - startedMs;

    const samples: number[] = [];
    const [first = ''] = names;
    let last = snapshot(first, instancesOf(0, []));
    // Each time another one: routes outlive their claims, so only a new one changes the table.
    for (let swap = 0; swap < 20 * scale; swap += 1) {
      const value = compareSnapshots(last, snapshot(first, instancesOf(0, [`urlprefix-/more-${swap}`])));
      last = value.after;
      const before = swaps;
      const swapStartedMs = performance.now();
      feeds.get(first)?.push({ kind: 'value', value });
      await settle(() => swaps > before);
      samples.push(performance.now() - swapStartedMs);
    }
    return [
      figure(`${title}: everything from nothing to the full table`, 'ms', [syncMs]),
      figure(`${title}: a new route is claimed → table swapped`, 'ms', samples),
    ];
  } finally {
    end.abort();
    await running;
  }
}

/** Three significant digits, without exponents. */
function shown(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 });
}

async function bench(args: BenchArguments): Promise<void> {
  const machine = describeMachine();
  const scale = args.pace === 'full' ? 4 : 1;
  const figures = [
    ...tableFigures(scale),
    ...upstreamFigures(scale),
    ...(await registryFigures({ services: 50, scale })),
    ...(await registryFigures({ services: 500, scale })),
    ...(await registryFigures({ services: 5_000, scale })),
  ];
  endProgress();
  const section = {
    title: `${routeCount.toLocaleString('en')} routes, ${instanceCount.toLocaleString('en')} instances`,
    remarks: [`${machineLine(machine)}. One thread, nothing pinned.`],
    table: {
      headers: ['', 'median', 'p95', 'unit', 'repetitions'],
      rows: figures.map(({ what, unit, median: middle, p95, repetitions }) => [
        what,
        shown(middle),
        shown(p95),
        unit,
        String(repetitions),
      ]),
    },
  };
  await publish('table', { sections: [section], data: { machine, figures } }, args);
}

await runCommand(limitMs, bench);
