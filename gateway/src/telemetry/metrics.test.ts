import { describe, expect, it } from 'vitest';

import { defaults } from '../config/defaults.ts';
import type { RouteStatus, ServiceStatus } from '../status/status.ts';
import { configWorld } from '../config/testing/config-world.ts';
import { fakeStatus, idleSummary } from '../status/testing/fake-status.ts';
import type { AttemptRecord, ExchangeRecord } from '../exchange/record.ts';
import { MemoryBudget } from '../sockets/memory-budget.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { createRequestSeries, type RequestSeries } from './request-series.ts';

function attempt(instance: string, error: AttemptRecord['error']): AttemptRecord {
  const end = error === undefined ? 'answered' : 'failed';
  return { instance, kind: 'first', end, error, status: undefined, durationMs: 1 };
}

const base: ExchangeRecord = {
  requestId: 'r',
  clientAddress: '127.0.0.1',
  method: 'GET',
  host: 'h',
  path: '/api/x',
  route: '/api',
  service: 'api-service',
  instance: 'a',
  status: 200,
  error: undefined,
  attempts: [attempt('a', undefined)],
  retries: 0,
  end: { kind: 'complete', requestBytes: 0, responseBytes: 0 },
  durationMs: 60,
  queuedMs: 0,
  upstreamMs: 20,
};

function route(prefix: string, service: string): RouteStatus {
  return {
    host: undefined,
    prefix,
    service,
    strip: undefined,
    source: 'config',
    rivals: [],
    state: 'active',
    reason: undefined,
  };
}

interface World {
  routes: RouteStatus[];
  services: ServiceStatus[];
  metrics: Metrics;
  requests: RequestSeries;
  /** Changes of the table. */
  changes: number;
  /** How often the routes were read. */
  sweeps: () => number;
}

function world(scope: 'gateway' | 'process' = 'gateway'): World {
  const state = {
    routes: [route('/api', 'api-service'), route('/', 'web')],
    services: [] as ServiceStatus[],
    changes: 0,
  };
  let sweeps = 0;
  const status = fakeStatus({
    routes: () => {
      sweeps += 1;
      return state.routes;
    },
    services: () => state.services,
    summary: () => ({ ...idleSummary, clientConnections: 3, exchanges: 2, upstreamConnections: 1 }),
  });
  const requests = createRequestSeries();
  const metrics = createMetrics({
    requests,
    status,
    tableChanges: () => state.changes,
    reloads: () => configWorld().control.counts(),
    droppedLogLines: () => 4,
    shortages: () => [['exhausted', 2]],
    stalls: { lostMs: () => 1_500, takeLongestMs: () => 250 },
    memory: new MemoryBudget({ bytes: 1_000, heapBytes: 1_000 }),
    scope,
  });
  return Object.assign(state, { metrics, requests, sweeps: () => sweeps });
}

/** Sample lines → values; throws on a line that is not of the text format. */
async function scrape(metrics: Metrics): Promise<Map<string, number>> {
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  for (const line of (await metrics.text()).split('\n')) {
    if (line === '' || line.startsWith('# HELP ')) continue;
    const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
    if (type !== null) {
      if (types.has(type[1]!)) throw new Error(`type twice: ${line}`);
      types.set(type[1]!, type[2]!);
      continue;
    }
    const sample =
      /^([a-z_:][a-z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (-?[0-9.e+-]+|NaN|\+Inf)$/i.exec(
        line,
      );
    if (sample === null) throw new Error(`not a sample: ${line}`);
    const key = `${sample[1]!}${sample[2] ?? ''}`;
    if (samples.has(key)) throw new Error(`twice: ${line}`);
    samples.set(key, Number(sample[3]));
  }
  return samples;
}

describe('request metrics', () => {
  it('count by route, service, method and code', async () => {
    const { metrics, requests } = world();
    requests.record(base);
    requests.record(base);
    requests.record({ ...base, status: 404, route: undefined, service: undefined, error: 'no_route' });
    const samples = await scrape(metrics);
    expect(
      samples.get('gateway_requests_total{route="/api",service="api-service",method="GET",code="200"}'),
    ).toBe(2);
    expect(samples.get('gateway_requests_total{route="none",service="none",method="GET",code="404"}')).toBe(
      1,
    );
    expect(samples.get('gateway_errors_total{code="no_route"}')).toBe(1);
  });

  it('spread durations over cumulative buckets', async () => {
    const { metrics, requests } = world();
    for (const durationMs of [5, 60, 20_000]) requests.record({ ...base, durationMs });
    const samples = await scrape(metrics);
    const labels = 'route="/api",service="api-service",method="GET",code_class="2xx"';
    const bucket = (le: string) =>
      samples.get(`gateway_request_duration_seconds_bucket{${labels},le="${le}"}`);
    expect([bucket('0.005'), bucket('0.05'), bucket('0.075'), bucket('10'), bucket('+Inf')]).toEqual([
      1, 1, 2, 2, 3,
    ]);
    expect(samples.get(`gateway_request_duration_seconds_count{${labels}}`)).toBe(3);
    expect(samples.get(`gateway_request_duration_seconds_sum{${labels}}`)).toBeCloseTo(20.065);
    expect(samples.get('gateway_upstream_duration_seconds_count{service="api-service"}')).toBe(3);
  });

  it('count each retry under the failure that caused it', async () => {
    const { metrics, requests } = world();
    requests.record({
      ...base,
      attempts: [attempt('a', 'connect_refused'), attempt('b', 'upstream_reset'), attempt('c', undefined)],
    });
    const samples = await scrape(metrics);
    expect(samples.get('gateway_retries_total{service="api-service",reason="connect_refused"}')).toBe(1);
    expect(samples.get('gateway_retries_total{service="api-service",reason="upstream_reset"}')).toBe(1);
  });

  it('count a retry after an answer that was passed over under its status', async () => {
    const { metrics, requests } = world();
    requests.record({
      ...base,
      attempts: [{ ...attempt('a', undefined), end: 'passed_over', status: 503 }, attempt('b', undefined)],
    });
    const samples = await scrape(metrics);
    expect(samples.get('gateway_retries_total{service="api-service",reason="status_503"}')).toBe(1);
  });

  it('count an attempt that was made because of a silent instance', async () => {
    const { metrics, requests } = world();
    requests.record({
      ...base,
      attempts: [
        { ...attempt('a', undefined), end: 'dropped' },
        { ...attempt('b', undefined), kind: 'silence' },
      ],
    });
    expect((await scrape(metrics)).get('gateway_retries_total{service="api-service",reason="silence"}')).toBe(
      1,
    );
  });

  it('do not grow with what clients invent', async () => {
    const { metrics, requests } = world();
    for (let i = 0; i < 1000; i++)
      requests.record({ ...base, method: `M${i}`, path: `/api/${i}`, host: `h${i}` });
    const samples = await scrape(metrics);
    expect([...samples.keys()].filter((key) => key.startsWith('gateway_requests_total'))).toEqual([
      'gateway_requests_total{route="/api",service="api-service",method="_OTHER",code="200"}',
    ]);
  });

  it('end with the route and the service they belong to', async () => {
    const w = world();
    w.requests.record(base);
    w.routes = [route('/api', 'other'), route('/', 'web')];
    const samples = await scrape(w.metrics);
    expect([...samples.keys()].filter((key) => key.includes('api-service'))).toEqual([]);
  });

  it('stay flat under churn even when nobody scrapes', async () => {
    const w = world();
    for (let i = 0; i < 5000; i++) {
      w.routes = [route(`/r${i}`, `s${i}`)];
      w.changes += 1;
      w.metrics.tableChanged();
      w.requests.record({ ...base, route: `/r${i}`, service: `s${i}` });
    }
    // Each sweep reads the routes; one for every hundred or so new series keeps at most a few hundred of them.
    expect(w.sweeps()).toBeGreaterThan(40);
    expect(w.sweeps()).toBeLessThan(100);
    w.routes = [];
    const samples = await scrape(w.metrics);
    expect(samples.get('gateway_table_changes_total')).toBe(5000);
    expect([...samples.keys()].some((key) => key.includes('service="s'))).toBe(false);
  });

  it('escape hostile names', async () => {
    const w = world();
    w.routes = [route('/x', 'a"\\\nb')];
    w.requests.record({ ...base, route: '/x', service: 'a"\\\nb' });
    expect([...(await scrape(w.metrics)).keys()].some((key) => key.includes('service="a\\"\\\\\\nb"'))).toBe(
      true,
    );
  });
});

describe('gauges', () => {
  it('are read at scrape time', async () => {
    const w = world();
    const row = {
      key: 'k',
      address: '127.0.0.1',
      port: 1,
      phase: 'serving',
      check: 'unchecked',
      checkReason: '',
      listing: 'listed',
      held: undefined,
      weight: 1,
      tags: [],
      meta: {},
      inFlight: 0,
      total: 0,
    } as const;
    w.services = [
      {
        service: 'api-service',
        registry: 'stale',
        ageMs: 2500,
        message: undefined,
        balance: 'round-robin',
        settings: { ...defaults, hash: undefined, checks: 'off' },
        invalidSettings: [],
        panic: 'panic',
        queued: 3,
        instances: [
          { ...row, id: 'a', status: 'passing', health: 'healthy' },
          { ...row, id: 'b', status: 'passing', health: 'ejected' },
          { ...row, id: 'c', status: 'critical', health: 'healthy', listing: 'held' },
        ],
        quarantined: [],
      },
    ];
    const samples = await scrape(w.metrics);
    expect(samples.get('gateway_instances{service="api-service",status="passing"}')).toBe(2);
    expect(samples.get('gateway_instances{service="api-service",status="draining"}')).toBe(0);
    expect(samples.get('gateway_ejected_instances{service="api-service"}')).toBe(1);
    expect(samples.get('gateway_registry_age_seconds{service="api-service"}')).toBe(2.5);
    expect(samples.get('gateway_held_instances{service="api-service"}')).toBe(1);
    expect(samples.get('gateway_panic{service="api-service"}')).toBe(1);
    expect(samples.get('gateway_queued_requests{service="api-service"}')).toBe(3);
    expect(samples.get('gateway_registry_live')).toBe(0);
    expect(samples.get('gateway_open_connections{side="client"}')).toBe(3);
    expect(samples.get('gateway_log_lines_dropped_total')).toBe(4);
    expect(samples.get('gateway_stalled_seconds_total')).toBe(1.5);
    expect(samples.get('gateway_stall_longest_seconds')).toBe(0.25);
  });

  it('hold the process too, also when made more than once', async () => {
    world('process');
    const samples = await scrape(world('process').metrics);
    expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(0);
  });
});
