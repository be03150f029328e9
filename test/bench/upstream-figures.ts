import {
  compareSnapshots,
  type BalanceStrategy,
  createUpstream,
  defaultUpstreamPolicy,
  endpointKey,
  type Instance,
  type Upstream,
} from '@roundhouse/agent-sdk/internal';

import { snapshot } from '../kit/builders.ts';
import { time, type Figure } from './figures.ts';
import { numberedInstance } from './sample-registry.ts';

const instanceCount = 10_000;
const strategies: readonly BalanceStrategy[] = [
  'round-robin',
  'least-requests',
  'power-of-two',
  'random',
  'consistent-hash',
];

/** What an upstream of 10,000 instances costs: updates of every size, and a lease under each strategy. */
export function upstreamFigures(scale: number): readonly Figure[] {
  const many = Array.from({ length: instanceCount }, (_, k) => numberedInstance('many', k, [], 1)).sort(
    (a, b) => (a.key < b.key ? -1 : 1),
  );
  return [
    ...updateFigures(many, scale),
    leaseFigure('round-robin, of 2 instances', upstreamOf(many.slice(0, 2), 'round-robin'), scale),
    ...strategies.map((balance) => leaseFigure(balance, upstreamOf(many, balance), scale)),
    ...strategies.map((balance) => {
      const upstream = upstreamOf(many, balance);
      many.forEach((each, k) => {
        if (k % 2 === 0) upstream.checked(endpointKey(each), 'down');
      });
      return leaseFigure(`${balance}, half of them out`, upstream, scale);
    }),
  ];
}

function updateFigures(many: readonly Instance[], scale: number): readonly Figure[] {
  const lists = {
    'one of 10,000 instances comes or goes': [many, many.slice(1)],
    'one of 10,000 instances changes a tag': [many, changed(many, (k) => k === 5_000)],
    'all of 10,000 records are read anew': [many, changed(many, () => true)],
  };
  return Object.entries(lists).map(([what, pair]) => {
    const upstream = upstreamOf(many, 'round-robin');
    const [first = many, second = many] = pair;
    const there = compareSnapshots(snapshot('many', first), snapshot('many', second));
    const back = compareSnapshots(there.after, snapshot('many', first));
    let turn = 0;
    return time(`update: ${what}`, 'ms', { repetitions: 30 * scale, calls: 1 }, () => {
      turn += 1;
      upstream.update(turn % 2 === 1 ? there : back);
    });
  });
}

/** The same records, some of them as new objects with another tag. */
function changed(many: readonly Instance[], which: (k: number) => boolean): readonly Instance[] {
  return many.map((each, k) => (which(k) ? { ...each, tags: ['changed'] } : each));
}

function upstreamOf(instances: readonly Instance[], balance: BalanceStrategy): Upstream {
  const upstream = createUpstream('many', {
    policy: { ...defaultUpstreamPolicy, balance },
    now: () => performance.now(),
    random: Math.random,
  });
  upstream.update(compareSnapshots(undefined, snapshot('many', instances)));
  return upstream;
}

function leaseFigure(what: string, upstream: Upstream, scale: number): Figure {
  const request = { tag: undefined, tried: [], hash: 0 };
  const repeat = { repetitions: 20 * scale, calls: 100_000 };
  return time(`lease, report, release: ${what}`, 'ns', repeat, (k) => {
    request.hash = Math.imul(k, 0x9e37_79b1) >>> 0;
    const lease = upstream.acquire(request);
    if (typeof lease === 'string') throw new Error(`no lease: ${lease}`);
    lease.report('success', 5);
    lease.release();
  });
}
