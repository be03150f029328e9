import { fastify, type FastifyInstance, LogController } from 'fastify';
import type { IdentitySource } from './identity.ts';
import { closingSignal } from './lifetime.ts';
import { bytesRoute, slowRoute, statusRoute } from './routes/answers.ts';
import { echoRoute, headersRoute } from './routes/echo.ts';
import { eventsRoute } from './routes/events.ts';
import { webSocketRoute } from './routes/web-socket.ts';
import { whoamiRoutes } from './routes/whoami.ts';

/** What the app needs from the process around it. */
export interface ApiOptions {
  readonly identity: IdentitySource;
  /** A pino level for Fastify's own lines; anything else counts as `warn`. Default `warn`: the SDK logs the rest. */
  readonly logLevel?: string | undefined;
  /** Time between two server-sent events. Default 1,000. */
  readonly eventIntervalMs?: number;
  /** Time between two WebSocket pings. Default 30,000. */
  readonly pingIntervalMs?: number;
}

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

/**
 * The demo service behind `/api`, without a socket: its caller decides where it listens. It ends with
 * `app.close()`, which also ends event streams and WebSockets.
 */
export function createApiApp({
  identity,
  logLevel = 'warn',
  eventIntervalMs = 1000,
  pingIntervalMs = 30_000,
}: ApiOptions): FastifyInstance {
  const app = fastify({
    logger: { level: logLevels.includes(logLevel) ? logLevel : 'warn' },
    logController: new LogController({ disableRequestLogging: true }),
    // While closing, requests on open connections are still served.
    return503OnClosing: false,
  });
  const closing = closingSignal(app);

  webSocketRoute(app, { pingIntervalMs });
  whoamiRoutes(app, identity);
  echoRoute(app);
  headersRoute(app);
  slowRoute(app);
  statusRoute(app);
  bytesRoute(app);
  eventsRoute(app, { identity, closing, intervalMs: eventIntervalMs });
  app.get('/healthz', () => ({ status: 'ok' }));
  return app;
}
