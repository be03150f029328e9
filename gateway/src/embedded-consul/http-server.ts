import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

import type { BlockedQueries } from './blocked-queries.ts';
import { HttpError, notSupported, supported } from './http-error.ts';
import type { AgentReply, AgentState, BlockingRead, Operation } from './operation.ts';
import { operations } from './operations.ts';
import { blockingTimeMs, checkQuery, readBlockingOptions } from './read-query.ts';

/** What the HTTP layer needs from the agent around it. */
export interface ServerParts {
  readonly state: () => AgentState;
  readonly blocked: BlockedQueries;
  /** Monotonic ms. */
  readonly now: () => number;
  /** In 0..1; spreads the ends of blocking queries. */
  readonly random: () => number;
  /** Largest request body; more is 413. */
  readonly bodyBytes: number;
  /** Open connections; further ones are closed at once. */
  readonly connections: number;
  readonly onRequest: (method: string, target: string) => void;
}

const exact = operations.filter(({ path }) => !path.endsWith('/'));
const prefixes = operations.filter(({ path }) => path.endsWith('/'));

/**
 * Consul's HTTP API on `node:http`: reads requests, runs their operations, holds blocking reads. The caller listens on it and
 * closes it; every timer and blocked query of a request ends with its connection.
 */
export function createHttpServer(parts: ServerParts): Server {
  const server = createServer(
    { requestTimeout: 30_000, headersTimeout: 10_000, keepAliveTimeout: 0 },
    (request, response) => {
      // A client that disconnects is no error; its blocked query and timers end by 'close'.
      request.on('error', () => undefined);
      response.on('error', () => undefined);
      handle(parts, request, response).catch((error: unknown) => {
        send(response, replyTo(error));
      });
    },
  );
  server.maxConnections = parts.connections;
  return server;
}

async function handle(parts: ServerParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = '', url = '' } = request;
  parts.onRequest(method, url);
  const body = await readBody(request, parts.bodyBytes);
  if (body === undefined) return;
  const mark = url.indexOf('?');
  const path = decodePath(mark === -1 ? url : url.slice(0, mark));
  if (path === '/') {
    send(response, { status: 200, text: `${supported}\n` });
    return;
  }
  const query = new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1));
  const operation = operationFor(method, path);
  const state = parts.state();
  checkQuery(query, operation.query, state.node.datacenter);
  const argument = path.slice(operation.path.length);
  const result = operation.run({ argument, query, body, state, nowMs: parts.now() });
  if ('topic' in result) serveRead(parts, result, query, response);
  else send(response, result);
}

function replyTo(error: unknown): AgentReply {
  if (error instanceof HttpError)
    return { status: error.status, text: error.message, headers: error.headers };
  const why = error instanceof Error ? error.message : String(error);
  return { status: 500, text: `The embedded agent failed: ${why}` };
}

/** Finds the operation; throws 501 for a path that has none, 405 for a path that has other methods only. */
function operationFor(method: string, path: string): Operation {
  const at = exact.filter((operation) => operation.path === path);
  const candidates = at.length > 0 ? at : prefixes.filter((operation) => path.startsWith(operation.path));
  if (candidates.length === 0) throw notSupported(path.slice(0, 200));
  const found = candidates.find((operation) => operation.method === method);
  // RFC 9110, section 15.5.6: a 405 names the methods that there are.
  const allow = candidates.map((operation) => operation.method).join(',');
  if (found === undefined) throw new HttpError(405, `method ${method} not allowed`, { Allow: allow });
  return found;
}

function decodePath(raw: string): string {
  try {
    return decodeURIComponent(raw);
  } catch {
    throw new HttpError(400, 'The path is not valid percent-encoding');
  }
}

/** Reads a whole body; undefined when the client disconnected first. Throws 413 as soon as it is too large. */
function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= limitBytes) {
        chunks.push(chunk);
      } else {
        const why = `Request body too large, max size: ${limitBytes} bytes.`;
        reject(new HttpError(413, why, { Connection: 'close' }));
      }
    });
    request.on('end', () => {
      resolve(Buffer.concat(chunks));
    });
    request.on('close', () => {
      resolve(undefined);
    });
  });
}

function serveRead(
  parts: ServerParts,
  read: BlockingRead,
  query: URLSearchParams,
  response: ServerResponse,
): void {
  const { minIndex, waitMs } = readBlockingOptions(query);
  const answer = (): void => {
    // Consul's index is never 0, and its answers say how fresh they are.
    const headers = {
      'X-Consul-Index': String(Math.max(read.index(), 1)),
      'X-Consul-KnownLeader': 'true',
      'X-Consul-LastContact': '0',
    };
    send(response, { ...read.reply(), headers });
  };
  const hasGrown = (): boolean => read.index() > minIndex;
  if (minIndex === 0 || hasGrown()) answer();
  else block(parts, read, hasGrown, blockingTimeMs(waitMs, parts.random()), response, answer);
}

/** Holds a read until its index has grown, its time is up or its client has disconnected, whichever is first. */
function block(
  parts: ServerParts,
  { topic }: BlockingRead,
  hasGrown: () => boolean,
  forMs: number,
  response: ServerResponse,
  answer: () => void,
): void {
  const leave = parts.blocked.add(topic, () => {
    if (!hasGrown()) return;
    end();
    answer();
  });
  if (leave === undefined) throw new HttpError(429, 'Too many blocked queries');
  const timer = setTimeout(() => {
    end();
    answer();
  }, forMs);
  const end = (): void => {
    clearTimeout(timer);
    leave();
  };
  response.once('close', end);
  if (response.destroyed) end();
}

function send(response: ServerResponse, { status, json, text, headers }: AgentReply): void {
  if (response.destroyed || response.headersSent) return;
  const body = Buffer.from(json === undefined ? (text ?? '') : JSON.stringify(json));
  const type = json === undefined ? 'text/plain; charset=utf-8' : 'application/json';
  response.writeHead(status, {
    ...(body.length === 0 ? {} : { 'Content-Type': type }),
    'Content-Length': String(body.length),
    ...headers,
  });
  response.end(body);
}
