import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';

import { monotonicNow } from '../lifecycle/clock.ts';
import type { Log } from '../telemetry/log.ts';
import { createAnswers, jsonTexts, type Answers } from './answers.ts';
import { addConfigPages, type ConfigPages } from './config-api.ts';
import { addExplainPage } from './explain-api.ts';
import { mayNotChange, mayNotRead, refusedBy, type Exposure, type Guard } from './guards.ts';
import { indexHtml, indexText } from './index-page.ts';
import { answer, problem } from './replies.ts';
import type { Explanation } from '../status/explain.ts';
import type { GatewayStatus, ServiceStatus } from '../status/status.ts';
import { printable } from '../telemetry/printable.ts';
import { routesText, servicesText } from './text-tables.ts';

/** What the admin listener can change. */
export interface GatewayActions {
  /**
   * Drops the held instances of a service, which the registry no longer lists. Returns their ids, or undefined for a service
   * that is not routed. An instance comes back when the registry lists it again.
   */
  release(service: string): readonly string[] | undefined;
  /** Takes a claimed or built-in route (`/pay`, `example.org/pay`) from its owner. Returns who that was, or undefined for any other. */
  releaseRoute(name: string): string | undefined;
}

/** What the admin listener shows. */
export interface AdminOptions {
  readonly status: GatewayStatus;
  readonly actions: GatewayActions;
  readonly config: ConfigPages;
  readonly explain: (method: string, url: string) => Explanation;
  /** What it answers to now. */
  readonly guard: () => Omit<Guard, 'exposure'>;
  readonly metrics: { readonly text: () => Promise<string>; readonly contentType: string };
  readonly log: Log;
}

/** On every answer. Nothing here is to be cached, framed, sniffed or scripted. */
const safety = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy':
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
} as const;

/** The admin application, not listening yet. It changes something by POST only. Its owner closes it. */
export function buildAdminApp(options: AdminOptions, exposure: Exposure): FastifyInstance {
  const app = Fastify({
    logger: false,
    connectionTimeout: 30_000,
    requestTimeout: 10_000,
    keepAliveTimeout: 65_000,
    // By default Node looks for slow heads every 30 s only.
    http: { headersTimeout: 5_000, connectionsCheckingInterval: 1_000 },
    // Stopping doesn't wait for a scraper that keeps its connection.
    forceCloseConnections: true,
    frameworkErrors: (_error, _request, reply) => {
      void reply.headers(safety);
      void problem(reply, 400, 'The path is not valid.');
    },
  });
  // No request has a body; whatever type it claims is not looked at.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => {
    done(null);
  });
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers(safety);
    return refuse(request, reply, { ...options.guard(), exposure });
  });
  app.setNotFoundHandler((_request, reply) =>
    problem(reply, 404, 'There is no such page. / lists those that there are.'),
  );
  app.setErrorHandler((error, request, reply) => {
    options.log.error('admin request failed', { err: error, path: request.url });
    return problem(reply, 500, 'The gateway made a mistake; its log says which.');
  });
  const answers = createAnswers(monotonicNow);
  addProbes(app, options, answers);
  addApi(app, options, answers);
  addConfigPages(app, options.config, answers);
  addExplainPage(app, options.explain);
  return app;
}

/** What orchestrators ask for needs no token. */
const open: readonly string[] = ['/livez', '/readyz'];

/** The refusal of a request that must not be answered, or undefined. */
function refuse(request: FastifyRequest, reply: FastifyReply, guard: Guard): FastifyReply | undefined {
  const { method, headers } = request;
  const refusal = refusedBy(guard, headers);
  if (refusal !== undefined) return problem(reply, 403, refusal);
  const length = headers['content-length'] ?? '0';
  if (Number(length) !== 0 || headers['transfer-encoding'] !== undefined)
    return problem(reply, 413, 'No request here has a body.');
  const reads = method === 'GET' || method === 'HEAD';
  if (!reads && (method !== 'POST' || request.is404)) {
    void reply.header('allow', 'GET, HEAD');
    return problem(reply, 405, 'Pages are read with GET; see / for what can be changed.');
  }
  if (reads && open.includes(request.routeOptions.url ?? '')) return undefined;
  const barred = reads ? mayNotRead(guard, headers) : mayNotChange(guard, headers);
  if (barred === undefined) return undefined;
  if (barred.status === 401) void reply.header('www-authenticate', 'Bearer realm="roundhouse admin"');
  return problem(reply, barred.status, barred.detail);
}

/** The index page, and what orchestrators and Prometheus ask for. */
function addProbes(app: FastifyInstance, { status, metrics, guard }: AdminOptions, answers: Answers): void {
  app.get('/', (request, reply) =>
    (request.headers.accept ?? '').includes('text/html')
      ? reply.type('text/html; charset=utf-8').send(indexHtml())
      : reply.type('text/plain; charset=utf-8').send(indexText()),
  );
  app.get('/livez', (_request, reply) => reply.send({ status: 'alive' }));
  app.get('/readyz', ({ headers }, reply) => {
    const { ready, detail } = status.readiness();
    const said = { status: ready ? 'ready' : 'not ready' };
    // The detail names services.
    const mayKnow = mayNotRead({ ...guard(), exposure: 'network' }, headers) === undefined;
    return reply.code(ready ? 200 : 503).send(mayKnow ? { ...said, detail } : said);
  });
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.contentType).send(await answers.shared('metrics', metrics.text)),
  );
}

const noService = 'No service of this name is routed.';

function addApi(app: FastifyInstance, { status, actions, log }: AdminOptions, answers: Answers): void {
  app.get('/api/summary', (_request, reply) => reply.send(status.summary()));
  app.get('/api/routes', (request, reply) =>
    answer(request, reply, answers, {
      json: () => jsonTexts({}, { routes: status.routes() }),
      text: () => routesText(status.routes(), status.counts()),
    }),
  );
  app.get('/api/services', (request, reply) =>
    answer(request, reply, answers, {
      json: () => servicesJson(status.services()),
      text: () => servicesText(status.services()),
    }),
  );
  app.get<{ Params: { name: string } }>('/api/services/:name', (request, reply) => {
    const service = status.service(request.params.name);
    if (service === undefined) return problem(reply, 404, noService);
    return answer(request, reply, answers, {
      json: () => serviceJson(service),
      text: () => servicesText([service]),
    });
  });
  app.post<{ Querystring: { route?: unknown } }>('/api/routes/release', (request, reply) => {
    const { route } = request.query;
    const owner = typeof route === 'string' ? actions.releaseRoute(route) : undefined;
    if (owner === undefined)
      return problem(reply, 404, 'route names no route that a service has by a claim or by default.');
    log.warn(`${printable(String(route))} was taken from ${printable(owner)} by the operator.`);
    return reply.send({ route, released: owner });
  });
  app.post<{ Params: { name: string } }>('/api/services/:name/release', (request, reply) => {
    const { name } = request.params;
    const released = actions.release(name);
    if (released === undefined) return problem(reply, 404, noService);
    log.warn(`${released.length} held instances of ${name} were released by the operator.`, { released });
    answers.forget();
    return reply.send({ service: name, released });
  });
}

function serviceJson({ instances, quarantined, ...others }: ServiceStatus): Iterable<string> {
  return jsonTexts(others, { instances, quarantined });
}

function* servicesJson(services: readonly ServiceStatus[]): Generator<string> {
  yield '{"services":[';
  let comma = '';
  for (const service of services) {
    yield comma;
    yield* serviceJson(service);
    comma = ',';
  }
  yield ']}';
}
