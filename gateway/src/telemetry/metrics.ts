import { collectDefaultMetrics, Registry } from 'prom-client';

import { routeName } from '../routing/route.ts';
import { familyLines, histogramLines } from './exposition.ts';
import { gatewayFamilies, type GaugeSources } from './gateway-families.ts';
import type { RequestSeries } from './request-series.ts';

/** The gateway's metrics. Holds no timer; nothing has to be stopped. */
export interface Metrics {
  /** To be called after a change of the route table: forgets series whose route is gone, once they are many. */
  readonly tableChanged: () => void;
  /** Everything in the Prometheus text format. Written in several turns of the event loop, because many series take a while. */
  readonly text: () => Promise<string>;
  readonly contentType: string;
}

/** What metrics need. */
export interface MetricsOptions extends GaugeSources {
  /** What is counted at the end of each exchange. */
  readonly requests: RequestSeries;
  /** `process`: also CPU, memory, event loop and garbage collection of this process. */
  readonly scope: 'gateway' | 'process';
}

/** Lines put together before other work gets its turn: about a millisecond. */
const linesPerTurn = 2_000;

/** See {@link Metrics}. */
export function createMetrics(options: MetricsOptions): Metrics {
  const series = options.requests;
  let keptAtLastSweep = 0;
  const sweep = (): void => {
    const active = options.status.routes().filter((route) => route.state === 'active');
    series.retain(new Map(active.map((route) => [routeName(route), route.service])));
    keptAtLastSweep = series.size();
  };
  return {
    tableChanged: () => {
      if (series.size() > 2 * keptAtLastSweep + 100) sweep();
    },
    text: async () => {
      sweep();
      const parts = [...requestParts(series), ...gatewayFamilies(options).map(familyLines)];
      const own = await joinLines(parts);
      return options.scope === 'process' ? `${own}\n${await processRegistry().metrics()}` : own;
    },
    contentType: Registry.PROMETHEUS_CONTENT_TYPE,
  };
}

function requestParts(series: RequestSeries): readonly Iterable<string>[] {
  const labels = { requests: series.methods(), durations: series.methods() };
  return [
    familyLines({
      name: 'gateway_requests_total',
      type: 'counter',
      help: 'Requests that ended, by what the client got.',
      samples: flatMap(labels.requests, ({ route, service, method, codes }) =>
        flatMap(codes, ([code, count]) => [[{ route, service, method, code }, count] as const]),
      ),
    }),
    histogramLines(
      'gateway_request_duration_seconds',
      'From the head of a request to the end of its response.',
      flatMap(labels.durations, ({ route, service, method, classes }) =>
        flatMap(classes, ([digit, spread]) => [
          [{ route, service, method, code_class: `${digit}xx` }, spread] as const,
        ]),
      ),
    ),
    histogramLines(
      'gateway_upstream_duration_seconds',
      'From the first attempt to the response head of the instance that answered.',
      flatMap(series.upstream(), ([service, spread]) => [[{ service }, spread] as const]),
    ),
    familyLines({
      name: 'gateway_retries_total',
      type: 'counter',
      help: 'Attempts after the first, by the failure that caused them.',
      samples: flatMap(series.retries(), ([service, reasons]) =>
        flatMap(reasons, ([reason, count]) => [[{ service, reason }, count] as const]),
      ),
    }),
    familyLines({
      name: 'gateway_errors_total',
      type: 'counter',
      help: 'Requests that ended with an error of the table in docs/errors.md.',
      samples: flatMap(series.errors(), ([code, count]) => [[{ code }, count] as const]),
    }),
  ];
}

function* flatMap<A, B>(items: Iterable<A>, each: (item: A) => Iterable<B>): Generator<B> {
  for (const item of items) yield* each(item);
}

async function joinLines(parts: readonly Iterable<string>[]): Promise<string> {
  const lines: string[] = [];
  for (const part of parts) {
    for (const line of part) {
      lines.push(line);
      if (lines.length % linesPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return `${lines.join('\n')}\n`;
}

let ofProcess: Registry | undefined;

/**
 * One per process, made when first asked for: prom-client's process metrics observe the event loop and the garbage collector for
 * as long as the process lives and can't be stopped.
 */
function processRegistry(): Registry {
  if (ofProcess === undefined) {
    ofProcess = new Registry();
    collectDefaultMetrics({ register: ofProcess });
  }
  return ofProcess;
}
