import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

import { distort, faultOf } from './apply-faults.ts';
import { dispatch, type Dispatched, splitTarget } from './dispatch.ts';
import type { AgentState, ReadPlan } from './endpoint.ts';
import type { Fault, FaultBook } from './faults.ts';
import { type Outgoing, readHeaders, toOutgoing } from './outgoing.ts';
import { blockingTimeMs, type QueryOptions, readQueryOptions } from './query-options.ts';
import { readBody } from './read-body.ts';
import { Refusal } from './refusal.ts';
import type { Waiters } from './waiters.ts';

/** What the HTTP layer needs from the agent around it. */
export interface ServerParts {
  readonly state: () => AgentState;
  readonly waiters: Waiters;
  readonly faults: FaultBook;
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

/**
 * Consul's HTTP API on `node:http`: reads requests, lets {@link dispatch} decide, holds blocking reads, makes faults happen.
 * The caller listens on it and closes it; every timer and waiter of a request ends with its connection.
 */
export function createHttpServer(parts: ServerParts): Server {
  const server = createServer(
    { requestTimeout: 30_000, headersTimeout: 10_000, keepAliveTimeout: 0 },
    (request, response) => {
      // A peer that leaves is no error of ours; its waiters and timers end by 'close'.
      request.on('error', () => undefined);
      response.on('error', () => undefined);
      handle(parts, request, response).catch(() => {
        response.destroy();
      });
    },
  );
  server.maxConnections = parts.connections;
  return server;
}

async function handle(parts: ServerParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const method = request.method ?? '';
  const target = request.url ?? '';
  parts.onRequest(method, target);
  const body = await readBody(request, parts.bodyBytes);
  if (body === 'aborted') return;
  if (body === 'too_large') {
    const text = `Request body too large, max size: ${parts.bodyBytes} bytes.`;
    const refused = toOutgoing({ kind: 'text', status: 413, text }, 'compact');
    send(response, { ...refused, headers: { ...refused.headers, Connection: 'close' } }, []);
    return;
  }
  const faults = parts.faults.take({ method, target, headers: request.headers });
  if (faultOf(faults, 'black_hole') !== undefined) return;
  if (faultOf(faults, 'drop')?.when === 'before') {
    request.socket.resetAndDestroy();
    return;
  }
  const delayMs = faultOf(faults, 'delay')?.delayMs ?? 0;
  if (delayMs === 0) {
    serve(parts, { method, target, body }, response, faults);
  } else {
    whileOpen(response, delayMs, () => {
      serve(parts, { method, target, body }, response, faults);
    });
  }
}

function serve(
  parts: ServerParts,
  incoming: { readonly method: string; readonly target: string; readonly body: Buffer },
  response: ServerResponse,
  faults: readonly Fault[],
): void {
  if (response.destroyed) return;
  const scripted = faultOf(faults, 'answer');
  if (scripted !== undefined) {
    const headers = { 'Content-Type': 'text/plain; charset=utf-8', ...scripted.headers };
    send(response, { status: scripted.status, headers, body: Buffer.from(scripted.body) }, faults);
    return;
  }
  const dispatched = dispatchSafely(parts, incoming);
  if (dispatched.kind === 'read') serveRead(parts, dispatched, incoming.target, response, faults);
  else send(response, toOutgoing(dispatched, layoutOf(incoming.target)), faults);
}

function dispatchSafely(parts: ServerParts, incoming: Parameters<typeof dispatch>[0]): Dispatched {
  try {
    return dispatch(incoming, parts.state(), parts.now());
  } catch (error) {
    // A bug of ours must not take the process with it.
    const text = `The embedded agent made a mistake: ${error instanceof Error ? error.message : String(error)}`;
    return { kind: 'text', status: 500, text };
  }
}

function layoutOf(target: string): 'compact' | 'pretty' {
  return /[?&]pretty(?:[=&]|$)/.test(target) ? 'pretty' : 'compact';
}

/** Reads the options of a read; undefined after the refusal has been sent. */
function optionsOf(parts: ServerParts, target: string, response: ServerResponse): QueryOptions | undefined {
  try {
    return readQueryOptions(splitTarget(target).query, parts.state().node.datacenter);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    send(response, toOutgoing({ kind: 'text', status: error.status, text: error.message }, 'compact'), []);
    return undefined;
  }
}

function serveRead(
  parts: ServerParts,
  plan: ReadPlan,
  target: string,
  response: ServerResponse,
  faults: readonly Fault[],
): void {
  const options = optionsOf(parts, target, response);
  if (options === undefined) return;
  const consistency = plan.consistency === 'named' ? options.consistency : undefined;
  const answer = (): void => {
    const outgoing = toOutgoing(plan.reply(), layoutOf(target));
    const headers = { ...outgoing.headers, ...readHeaders(plan.index(), consistency) };
    send(response, { ...outgoing, headers }, faults);
  };
  const grown = (): boolean => plan.index() > options.minIndex;
  if (options.minIndex === 0 || grown() || faultOf(faults, 'empty') !== undefined) {
    answer();
    return;
  }
  block(parts, plan, grown, blockingTimeMs(options.waitMs, parts.random()), response, answer);
}

/** Holds a read until its index has grown, its time is up or its client has gone, whichever is first. */
function block(
  parts: ServerParts,
  plan: ReadPlan,
  grown: () => boolean,
  forMs: number,
  response: ServerResponse,
  answer: () => void,
): void {
  const leave = parts.waiters.add(plan.interest, () => {
    if (grown()) finish();
  });
  if (leave === undefined) {
    const text = 'Too many blocked queries';
    send(response, toOutgoing({ kind: 'text', status: 429, text }, 'compact'), []);
    return;
  }
  const cancel = whileOpen(response, forMs, () => {
    finish();
  });
  response.once('close', leave);
  function finish(): void {
    leave?.();
    cancel();
    answer();
  }
}

/** Acts after a time, unless the response is closed before. Returns how to cancel. */
function whileOpen(response: ServerResponse, afterMs: number, act: () => void): () => void {
  if (response.destroyed) return () => undefined;
  const timer = setTimeout(() => {
    response.off('close', cancel);
    act();
  }, afterMs);
  const cancel = (): void => {
    clearTimeout(timer);
  };
  response.once('close', cancel);
  return cancel;
}

function send(response: ServerResponse, original: Outgoing, faults: readonly Fault[]): void {
  if (response.destroyed || response.headersSent) return;
  const { status, headers, body } = distort(original, faults);
  response.writeHead(status, { ...headers, 'Content-Length': String(body.length) });
  const dribble = faultOf(faults, 'dribble');
  if (faultOf(faults, 'drop') !== undefined) {
    response.write(body.subarray(0, Math.ceil(body.length / 2)), () => {
      response.socket?.resetAndDestroy();
    });
  } else if (dribble !== undefined) {
    drip(response, body, dribble);
  } else {
    response.end(body);
  }
}

function drip(
  response: ServerResponse,
  body: Buffer,
  pace: { readonly bytes: number; readonly everyMs: number },
): void {
  if (body.length <= pace.bytes) {
    response.end(body);
    return;
  }
  response.write(body.subarray(0, pace.bytes));
  whileOpen(response, pace.everyMs, () => {
    drip(response, body.subarray(pace.bytes), pace);
  });
}
