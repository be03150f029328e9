import type { ErrorCode } from '../exchange/errors.ts';
import type { AttemptRecord, ExchangeRecord } from '../exchange/record.ts';

/** OpenTelemetry's advice for `http.server.request.duration`, in seconds. */
export const durationBuckets: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

/** Counts by bucket (not cumulative, the last one is +Inf) and their sum in seconds. */
export interface Distribution {
  readonly counts: number[];
  sum: number;
}

/** What was counted for one route, service and method. */
export interface MethodSeries {
  readonly route: string;
  readonly service: string;
  readonly method: string;
  readonly codes: Map<number, number>;
  /** By first digit of the status. */
  readonly classes: Map<number, Distribution>;
}

/** A code of the error table, the status that was passed over, or the silence of an endpoint. */
export type RetryReason = ErrorCode | `status_${number}` | 'silence';

/** Counts of exchanges as plain numbers: nothing is formatted, hashed or allocated on the way of a request. */
export interface RequestSeries {
  /** Counts an exchange that ended. */
  readonly record: (exchange: ExchangeRecord) => void;
  /** Forgets what belongs to a route or service that is not live any more; `live` maps route names to services. */
  retain(live: ReadonlyMap<string, string>): void;
  /** Number of route, service and method combinations held. */
  size(): number;
  methods(): Iterable<MethodSeries>;
  /** By service. */
  upstream(): ReadonlyMap<string, Distribution>;
  /** By service and what caused the retry: a failure, or an answer that was passed over. */
  retries(): ReadonlyMap<string, ReadonlyMap<RetryReason, number>>;
  errors(): ReadonlyMap<ErrorCode, number>;
}

/** Label of what matched no route. No route is called so: names of routes hold a `/`. */
export const noRoute = 'none';

/** The nine methods of RFC 9110 and RFC 5789; a label may not grow with what clients invent. */
const knownMethods = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
]);

/** See {@link RequestSeries}. */
export function createRequestSeries(): RequestSeries {
  const routes = new Map<string, Map<string, Map<string, MethodSeries>>>();
  const upstream = new Map<string, Distribution>();
  const retries = new Map<string, Map<RetryReason, number>>();
  const errors = new Map<ErrorCode, number>();
  let size = 0;

  const find = (route: string, service: string, received: string): MethodSeries => {
    const method = knownMethods.has(received) ? received : '_OTHER';
    const services = getOrAdd(routes, route, newMap);
    const methods = getOrAdd(services, service, newMap) as Map<string, MethodSeries>;
    const known = methods.get(method);
    if (known !== undefined) return known;
    const series: MethodSeries = { route, service, method, codes: new Map(), classes: new Map() };
    methods.set(method, series);
    size += 1;
    return series;
  };

  return {
    record: (exchange) => {
      const { service = noRoute, attempts, error, status, upstreamMs } = exchange;
      const series = find(exchange.route ?? noRoute, service, exchange.method);
      add(series.codes, status);
      observe(
        getOrAdd(series.classes, Math.trunc(status / 100), newDistribution),
        exchange.durationMs / 1000,
      );
      if (upstreamMs !== undefined) observe(getOrAdd(upstream, service, newDistribution), upstreamMs / 1000);
      if (error !== undefined) add(errors, error);
      for (let i = 0; attempts.length > 1 && i < attempts.length; i++) {
        const attempt = attempts[i];
        if (attempt?.kind === 'silence') add(getOrAdd(retries, service, newReasons), 'silence');
        const reason = i < attempts.length - 1 ? retryReason(attempt) : undefined;
        if (reason !== undefined) add(getOrAdd(retries, service, newReasons), reason);
      }
    },
    retain: (live) => {
      for (const [route, services] of routes) {
        for (const [service, methods] of services) {
          if (route === noRoute || live.get(route) === service) continue;
          size -= methods.size;
          services.delete(service);
        }
        if (services.size === 0) routes.delete(route);
      }
      const names = new Set(live.values());
      for (const group of [upstream, retries])
        for (const service of group.keys()) if (!names.has(service)) group.delete(service);
    },
    size: () => size,
    methods: function* () {
      for (const services of routes.values())
        for (const methods of services.values()) yield* methods.values();
    },
    upstream: () => upstream,
    retries: () => retries,
    errors: () => errors,
  };
}

/** Why there was another attempt after this one; undefined when this one was only slower. */
function retryReason(attempt: AttemptRecord | undefined): RetryReason | undefined {
  if (attempt?.end === 'passed_over' && attempt.status !== undefined) return `status_${attempt.status}`;
  return attempt?.error;
}

const newMap = <K, V>(): Map<K, V> => new Map<K, V>();
const newReasons = (): Map<RetryReason, number> => new Map<RetryReason, number>();
const newDistribution = (): Distribution => ({ counts: durationBuckets.map(() => 0).concat(0), sum: 0 });

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function add<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function observe(distribution: Distribution, seconds: number): void {
  let bucket = 0;
  while (bucket < durationBuckets.length && seconds > (durationBuckets[bucket] ?? 0)) bucket += 1;
  distribution.counts[bucket] = (distribution.counts[bucket] ?? 0) + 1;
  distribution.sum += seconds;
}
