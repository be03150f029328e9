import { STATUS_CODES } from 'node:http';

import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';

import type { Log } from '../telemetry/log.ts';
import { mayNotChange, refusedBy, type Exposure } from './guards.ts';
import { indexHtml, indexText } from './index-page.ts';
import type { GatewayStatus } from '../status/status.ts';
import { routesText, servicesText } from './text-tables.ts';

/** What the admin listener can change. */
export interface GatewayActions {
  /**
   * Drops the held instances of a service, which the registry no longer lists. Returns their ids, or undefined for a service
   * that is not routed. An instance comes back when the registry lists it again.
   */
  release(service: string): readonly string[] | undefined;
}

/** What the admin listener shows. */
export interface AdminOptions {
  readonly status: GatewayStatus;
  readonly actions: GatewayActions;
  /** The bearer token that a change needs now; `off`: none is set. */
  readonly token: () => string;
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

/** An RFC 9457 problem document. */
function problem(reply: FastifyReply, status: number, detail: string): FastifyReply {
  const title = STATUS_CODES[status] ?? '';
  return reply
    .code(status)
    .type('application/problem+json')
    .send(JSON.stringify({ type: 'about:blank', title, status, detail }));
}

/** `text` for `?format=text` or an `Accept` that names text/plain and not JSON; undefined for a format that there is not. */
function formatOf(request: FastifyRequest): 'json' | 'text' | undefined {
  const { query } = request;
  const asked: unknown =
    typeof query === 'object' && query !== null && 'format' in query ? query.format : undefined;
  if (asked === 'json' || asked === 'text') return asked;
  if (asked !== undefined) return undefined;
  const accept = request.headers.accept ?? '';
  return accept.includes('text/plain') && !accept.includes('json') ? 'text' : 'json';
}

function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  json: () => unknown,
  text: () => string,
): FastifyReply {
  const format = formatOf(request);
  if (format === undefined) return problem(reply, 400, 'format is json or text.');
  if (format === 'text') return reply.type('text/plain; charset=utf-8').send(text());
  return reply.type('application/json; charset=utf-8').send(JSON.stringify(json()));
}

/** The admin application, not listening yet. It changes something by POST only. Its owner closes it. */
export function buildAdminApp(options: AdminOptions, exposure: Exposure): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: 1,
    connectionTimeout: 30_000,
    requestTimeout: 10_000,
    keepAliveTimeout: 65_000,
    // Stopping doesn't wait for a scraper that keeps its connection.
    forceCloseConnections: true,
    frameworkErrors: (_error, _request, reply) => {
      void reply.headers(safety);
      void problem(reply, 400, 'The path is not valid.');
    },
  });
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers(safety);
    return refuse(request, reply, exposure, options.token());
  });
  app.setNotFoundHandler((_request, reply) =>
    problem(reply, 404, 'There is no such page. / lists those that there are.'),
  );
  app.setErrorHandler((error, request, reply) => {
    options.log.error('admin request failed', { err: error, path: request.url });
    return problem(reply, 500, 'The gateway made a mistake; its log says which.');
  });
  addProbes(app, options);
  addApi(app, options);
  return app;
}

/** The refusal of a request that must not be answered, or undefined. */
function refuse(
  request: FastifyRequest,
  reply: FastifyReply,
  exposure: Exposure,
  token: string,
): FastifyReply | undefined {
  const refusal = refusedBy(exposure, request.headers);
  if (refusal !== undefined) return problem(reply, 403, refusal);
  if (request.method === 'GET' || request.method === 'HEAD') return undefined;
  if (request.method === 'POST' && !request.is404) {
    const barred = mayNotChange(exposure, token, request.headers.authorization);
    if (barred === undefined) return undefined;
    if (barred.status === 401) void reply.header('www-authenticate', 'Bearer realm="roundhouse admin"');
    return problem(reply, barred.status, barred.detail);
  }
  void reply.header('allow', 'GET, HEAD');
  return problem(reply, 405, 'Pages are read with GET; see / for what can be changed.');
}

/** The index page, and what orchestrators and Prometheus ask for. */
function addProbes(app: FastifyInstance, { status, metrics }: AdminOptions): void {
  app.get('/', (request, reply) =>
    (request.headers.accept ?? '').includes('text/html')
      ? reply.type('text/html; charset=utf-8').send(indexHtml())
      : reply.type('text/plain; charset=utf-8').send(indexText()),
  );
  app.get('/livez', (_request, reply) => reply.send({ status: 'alive' }));
  app.get('/readyz', (_request, reply) => {
    const { ready, detail } = status.readiness();
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', detail });
  });
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()));
}

const noService = 'No service of this name is routed.';

function addApi(app: FastifyInstance, { status, actions, log }: AdminOptions): void {
  app.get('/api/summary', (_request, reply) => reply.send(status.summary()));
  app.get('/api/routes', (request, reply) =>
    answer(
      request,
      reply,
      () => ({ routes: status.routes() }),
      () => routesText(status.routes(), status.services()),
    ),
  );
  app.get('/api/services', (request, reply) =>
    answer(
      request,
      reply,
      () => ({ services: status.services() }),
      () => servicesText(status.services()),
    ),
  );
  app.get<{ Params: { name: string } }>('/api/services/:name', (request, reply) => {
    const service = status.services().find((candidate) => candidate.service === request.params.name);
    if (service === undefined) return problem(reply, 404, noService);
    return answer(
      request,
      reply,
      () => service,
      () => servicesText([service]),
    );
  });
  app.post<{ Params: { name: string } }>('/api/services/:name/release', (request, reply) => {
    const { name } = request.params;
    const released = actions.release(name);
    if (released === undefined) return problem(reply, 404, noService);
    log.warn(`${released.length} held instances of ${name} were released by the operator.`, { released });
    return reply.send({ service: name, released });
  });
}
