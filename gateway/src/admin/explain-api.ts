import type { FastifyInstance } from 'fastify';

import { formatAuthority } from '../config/address.ts';
import type { Explanation, RouteChoice } from '../status/explain.ts';
import { printable } from '../telemetry/printable.ts';
import { formatOf, problem } from './replies.ts';
import { table } from './text-tables.ts';

/** Adds `GET /api/v1/explain?method=GET&url=http://example.org/path`: what the gateway would do with a request now. */
export function addExplainPage(
  app: FastifyInstance,
  explain: (method: string, url: string) => Explanation,
): void {
  app.get<{ Querystring: { method?: unknown; url?: unknown } }>('/api/v1/explain', (request, reply) => {
    const { method = 'GET', url } = request.query;
    if (typeof url !== 'string' || typeof method !== 'string' || !/^[A-Z-]{1,32}$/.test(method))
      return problem(reply, 400, 'Needed: url=http://example.org/path, and method=GET or another one.');
    const explanation = explain(method, url);
    return formatOf(request) === 'text'
      ? reply.type('text/plain; charset=utf-8').send([...explanationText(explanation)].join(''))
      : reply.send(explanation);
  });
}

function* explanationText(explanation: Explanation): Generator<string> {
  const { method, url, verdict, route, others, endpoints, instances, steps } = explanation;
  yield `${method} ${printable(url)}: ${verdict}\n`;
  if (route !== undefined) yield* routeLines(route);
  yield `steps      ${steps.join(', ')}\n`;
  if (others.length > 0) {
    yield '\n';
    yield* table(
      ['NOT THIS', 'SERVICE', 'BECAUSE'],
      others.map((other) => [other.route, other.service, other.why]),
    );
  }
  if (route === undefined) return;
  yield '\n';
  yield* table(
    ['INSTANCE', 'ADDRESS', 'AVAILABILITY', 'STATUS', 'HEALTH', 'CHECK', 'WEIGHT', 'IN FLIGHT'],
    endpoints.map(({ id, address, port, availability, status, health, check, weight, inFlight }) => [
      ...[id, formatAuthority(address, port), availability, status, health, check],
      ...[String(weight), String(inFlight)],
    ]),
  );
  const more = instances - endpoints.length;
  if (more > 0) yield `… and ${more} more\n`;
}

function* routeLines({ route, service, source, strip, timeouts, ...rules }: RouteChoice): Generator<string> {
  const { balance, sticky, queued, panic, attempts, retry, retryStatuses, hedgeAfterMs } = rules;
  const without = strip === undefined ? '' : `, without ${strip}`;
  yield `route      ${printable(`${route} → ${service} (${source})${without}`)}\n`;
  const inPanic = panic ? ', panic: critical instances are used too' : '';
  yield `balance    ${balance}, sticky ${sticky}, ${queued} waiting${inPanic}\n`;
  const repeated = retry === 'repeated' ? 'failed ones are repeated' : 'repeated only while nothing was sent';
  const after = retryStatuses.length === 0 ? '' : `, after ${retryStatuses.join(', ')} too`;
  const hedge = hedgeAfterMs === 0 ? '' : `, a second one beside it after ${hedgeAfterMs} ms`;
  yield `attempts   ${attempts}, ${repeated}${after}${hedge}\n`;
  const limits = Object.entries(timeouts).map(([name, ms]: [string, number]) => `${name} ${ms}`);
  yield `timeouts   ${limits.join(', ')}\n`;
}
