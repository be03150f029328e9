import { fastify, type FastifyInstance, LogController } from 'fastify';
import type { IdentitySource } from './identity.ts';
import { readPageSources } from './page-files.ts';
import { assemblePage } from './page.ts';

/** What the app needs from the process around it. */
export interface WebappOptions {
  readonly identity: IdentitySource;
  /** A pino level for Fastify's own lines; anything else counts as `warn`. Default `warn`: the SDK logs the rest. */
  readonly logLevel?: string | undefined;
}

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

/**
 * The demo service behind `/`: a page that shows which instance answers, and `GET /whoami`. Without a socket: its
 * caller decides where it listens. Ends with `app.close()`.
 */
export function createWebapp({ identity, logLevel = 'warn' }: WebappOptions): FastifyInstance {
  const page = assemblePage(readPageSources());
  const app = fastify({
    logger: { level: logLevels.includes(logLevel) ? logLevel : 'warn' },
    logController: new LogController({ disableRequestLogging: true }),
    // While closing, requests on open connections are still served.
    return503OnClosing: false,
  });
  let requests = 0;
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.url !== '/healthz') requests += 1;
    done();
  });

  app.get('/', async (_request, reply) => {
    const { id, port } = await identity();
    return reply
      .headers({
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': page.policy,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        // A reload is meant to reach the next instance.
        'cache-control': 'no-store',
      })
      .send(page.render({ instance: id, port, pid: process.pid }));
  });

  app.get('/whoami', async (_request, reply) => {
    const taken = requests;
    const { name, id, port } = await identity();
    void reply.header('cache-control', 'no-store');
    return { service: name, instance: id, pid: process.pid, port, requests: taken };
  });

  app.get('/healthz', () => ({ status: 'ok' }));

  // Names the instance, so that a 404 of this service can be told from one of the gateway.
  app.setNotFoundHandler(async (_request, reply) => {
    const { name, id } = await identity();
    return reply.code(404).send({ statusCode: 404, error: 'Not Found', service: name, instance: id });
  });
  return app;
}
