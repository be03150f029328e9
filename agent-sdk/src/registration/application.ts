import { once } from 'node:events';
import { createServer, type IncomingMessage, Server, type ServerResponse } from 'node:http';
import { Server as SecureServer } from 'node:https';

import { unmapped } from './advertised-address.ts';
import type { Listen } from './bind.ts';
import { fetchHandler, type FetchLike } from './fetch-handler.ts';
import { describeError, ServiceError } from './service-error.ts';
import { timeLimits } from './time-limits.ts';

/** What of a Fastify instance is used; structural, so that the SDK depends on no framework. */
export interface FastifyLike {
  readonly server: Server;
  ready(): PromiseLike<unknown>;
  listen(options: { port: number; host: string; exclusive: boolean }): Promise<string>;
  close(): PromiseLike<unknown>;
}

/** What of a NestJS application is used, on either of its platforms. */
export interface NestLike {
  getHttpServer(): unknown;
  init(): PromiseLike<unknown>;
  listen(...where: never[]): PromiseLike<unknown>;
  close(): PromiseLike<unknown>;
}

/** What of a Koa application is used. */
export interface KoaLike {
  callback(): RequestHandler;
  use: unknown;
}

/** A function that answers requests; an Express or Connect app is one. What it throws or rejects with is answered 500 and logged. */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => unknown;

/**
 * What can be served: a Fastify instance, a NestJS or Koa application, an http.Server (listening or not), an Express app, any request
 * function, an object with a fetch-style handler such as a Hono app.
 */
export type ServiceHandler = FastifyLike | NestLike | KoaLike | FetchLike | Server | RequestHandler;

/** A handler with what is the same for all kinds. */
export interface Application {
  readonly server: Server;
  /** Framework start, before anything is bound. Rejects with ServiceError `not_ready`. */
  readonly ready: () => Promise<void>;
  /** Binds; rejects with the system error and may be called again then. Not to be called on a listening server. */
  readonly listen: Listen;
  /** Runs the framework's closing hooks (Fastify: preClose, then onClose after the last answer). Called once. */
  readonly close: () => Promise<void>;
}

/** The application for what was passed in; undefined when it is none of {@link ServiceHandler}. Has no effect yet. */
export function applicationFor(handler: unknown): Application | undefined {
  if (isServer(handler)) return plainApplication(handler);
  if (isFastifyLike(handler)) return fastifyApplication(handler);
  if (isNestLike(handler)) return nestApplication(handler);
  if (hasMethods<KoaLike>(handler, 'callback', 'use'))
    return plainApplication(createServer(handler.callback()));
  if (hasMethods<FetchLike>(handler, 'fetch')) return plainApplication(createServer(fetchHandler(handler)));
  if (typeof handler !== 'function') return undefined;
  return plainApplication(createServer(handler as RequestHandler));
}

function plainApplication(server: Server): Application {
  return {
    server,
    ready: () => Promise.resolve(),
    async listen(where) {
      server.listen(where);
      await once(server, 'listening');
    },
    close: () => Promise.resolve(),
  };
}

/** `listen()` of Fastify itself, so that its own state and the onListen hooks are right. */
function fastifyApplication(app: FastifyLike): Application {
  return {
    server: app.server,
    ready: () => startFramework('Fastify', () => app.ready()),
    async listen(where) {
      await app.listen(where);
    },
    async close() {
      await app.close();
    },
  };
}

/**
 * `close()` of NestJS runs all its shutdown hooks, after the last request. Its own listeners for signals (`enableShutdownHooks`) would
 * run them at the signal, while requests still come, so they are removed.
 */
function nestApplication(app: NestLike): Application {
  return {
    server: app.getHttpServer() as Server,
    ready: () =>
      startFramework('NestJS', async () => {
        if (hasMethods<{ unsubscribeFromProcessSignals(): void }>(app, 'unsubscribeFromProcessSignals'))
          app.unsubscribeFromProcessSignals();
        await app.init();
      }),
    async listen(where) {
      await (app.listen as (where: object) => PromiseLike<unknown>)(where);
    },
    async close() {
      await app.close();
    },
  };
}

async function startFramework(name: string, start: () => PromiseLike<unknown>): Promise<void> {
  try {
    await start();
  } catch (error) {
    const problem = `${name} did not become ready: ${describeError(error)}`;
    throw new ServiceError('not_ready', [problem], { cause: error });
  }
}

/** Whether it is a server of node:http or node:https. */
export function isServer(value: unknown): value is Server {
  return value instanceof Server || value instanceof SecureServer;
}

function isFastifyLike(handler: unknown): handler is FastifyLike {
  return hasMethods<FastifyLike>(handler, 'ready', 'listen', 'close') && isServer(handler.server);
}

function isNestLike(handler: unknown): handler is NestLike {
  return (
    hasMethods<NestLike>(handler, 'getHttpServer', 'init', 'listen', 'close') &&
    isServer(handler.getHttpServer())
  );
}

/** Whether it is an object with these methods. */
function hasMethods<T>(value: unknown, ...names: readonly (keyof T & string)[]): value is T {
  return (
    typeof value === 'object' &&
    value !== null &&
    names.every((name) => typeof Reflect.get(value, name) === 'function')
  );
}

/** Where a server listens. Throws ServiceError `invalid_options` for a socket in the file system. */
export function boundAddress(server: Server): { readonly address: string; readonly port: number } {
  const bound = server.address();
  if (bound !== null && typeof bound !== 'string')
    return { port: bound.port, address: unmapped(bound.address) };
  throw new ServiceError('invalid_options', [
    `The server listens on ${bound ?? 'nothing'}; Consul needs a TCP port.`,
  ]);
}

/** Raises a server's timeouts for idle connections and for heads where they are lower; 0 means none and stays. */
export function raiseTimeouts(server: Server): void {
  const { keepAliveMs, headersMs } = timeLimits;
  if (server.keepAliveTimeout !== 0) server.keepAliveTimeout = Math.max(server.keepAliveTimeout, keepAliveMs);
  if (server.headersTimeout !== 0) {
    server.headersTimeout = Math.max(
      server.headersTimeout,
      server.keepAliveTimeout + headersMs - keepAliveMs,
    );
  }
}
