/**
 * A service of the chaos suite: registers with the SDK, says in every answer which request it has executed and who it is, and writes each id
 * to a journal before it answers. Told on its control port, it misbehaves.
 *
 *     SERVICE_NAME ROUTES (comma-separated; SERVICE stands for the name) JOURNAL (file) DRAIN_MS PROPAGATION_MS TTL_MS WORK_MS, and all that the SDK reads
 */
import { createHash, randomUUID } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { startService } from '@roundhouse/agent-sdk';
import { WebSocketServer } from 'ws';

/** What it does with a request; see `docs/reliability.md`. */
type Mode = 'healthy' | 'hang' | 'error' | 'unavailable' | 'slow' | 'slow-head' | 'slow-body' | 'reset';

/** Who answers; a process may be several services, one after the other. */
interface Identity {
  readonly service: string;
  readonly instance: string;
}

interface Running {
  readonly identity: Identity;
  readonly server: Server;
  readonly port: number;
}

const {
  SERVICE_NAME: name = 'api-service',
  ROUTES: routes = '/api',
  JOURNAL: journalFile = '/dev/null',
  DRAIN_MS: drainMs = '10000',
  PROPAGATION_MS: propagationMs = '500',
  TTL_MS: ttlMs = '15000',
  WORK_MS: workMs = '0',
} = process.env;

let mode: Mode = 'healthy';
/** Known before it is registered: the first request may come before the SDK has said so. */
const newInstance = (service: string): Identity => ({
  service,
  instance: `${service}-${randomUUID().slice(0, 8)}`,
});
const journal = openSync(journalFile, 'a');
const dribbleMs = 1_000;
const slowMs = 200;

/** Requests that hang: they are answered when the mode ends. */
const held = new Set<() => void>();

async function serve(identity: Identity, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { service, instance } = identity;
  const id = String(request.headers['x-chaos-id'] ?? '');
  // One system call, done before anything can be answered: what is executed is on record even when the process is killed.
  if (id !== '') writeSync(journal, `${id} ${request.method ?? ''} ${instance}\n`);
  const digest = createHash('sha1');
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    digest.update(chunk);
    bytes += chunk.length;
  }
  if (mode === 'hang') await new Promise<void>((resolve) => held.add(resolve));
  if (mode === 'slow') await sleep(slowMs);
  if (workMs !== '0') await sleep(Number(workMs));
  const body = JSON.stringify({ id, service, instance, bytes, sha1: digest.digest('hex') });
  const failing = mode === 'error' ? 500 : mode === 'unavailable' ? 503 : 200;
  response.setHeader('x-chaos-id', id);
  response.setHeader('x-chaos-service', service);
  response.setHeader('x-chaos-instance', instance);
  response.setHeader('content-type', 'application/json');
  response.setHeader('content-length', Buffer.byteLength(body));
  response.statusCode = failing;
  if (request.method === 'HEAD') {
    response.end();
  } else if (mode === 'slow-body') {
    response.flushHeaders();
    await dribble((text) => response.write(text), body);
    response.end();
  } else if (mode === 'slow-head') {
    const { socket } = response;
    await dribble((text) => socket?.write(text), `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`);
  } else if (mode === 'reset') {
    response.flushHeaders();
    response.write(body.slice(0, body.length / 2), () => response.socket?.resetAndDestroy());
  } else {
    response.end(body);
  }
}

/** One byte a second, until the mode changes; then the rest at once. */
async function dribble(write: (text: string) => unknown, text: string): Promise<void> {
  const started = mode;
  for (let at = 0; at < text.length; at += 1) {
    if (mode !== started) {
      write(text.slice(at));
      return;
    }
    write(text.slice(at, at + 1));
    await sleep(dribbleMs);
  }
}

const sockets = new WebSocketServer({ noServer: true });

/** Listens, registers, serves; the WebSockets echo. */
async function start(identity: Identity, port: number | undefined): Promise<Running> {
  const server = createServer((request, response) => {
    serve(identity, request, response).catch(() => response.destroy());
  });
  server.on('connection', (socket) => socket.on('error', () => undefined));
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.on('message', (data) => {
        client.send(data as Buffer);
      });
      client.on('error', () => undefined);
    });
  });
  const handle = await startService({
    name: identity.service,
    id: identity.instance,
    routes: routes === '' ? [] : routes.replaceAll('SERVICE', identity.service).split(','),
    handler: server,
    ...(port === undefined ? {} : { port }),
    drainTimeoutMs: Number(drainMs),
    propagationMs: Number(propagationMs),
    ttlMs: Number(ttlMs),
  });
  return { identity, server, port: handle.port };
}

/** One service ends without notice to any client, and another starts on its port at once, as after a crash under a scheduler. */
async function swap({ server, port }: Running, service: string): Promise<Running> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
  return start(newInstance(service), port);
}

let running = await start(newInstance(name), undefined);

async function obey(question: URLSearchParams): Promise<string> {
  const service = question.get('swap');
  if (service !== null) {
    running = await swap(running, service);
    return running.identity.instance;
  }
  const asked = question.get('mode');
  if (asked !== null) {
    mode = asked as Mode;
    for (const release of held) release();
    held.clear();
  }
  return mode;
}

const control = createServer((request, response) => {
  obey(new URL(request.url ?? '/', 'http://control').searchParams).then(
    (text) => response.end(text),
    (error: unknown) => {
      response.writeHead(500).end(String(error));
    },
  );
});
await new Promise<void>((resolve) => control.listen(0, '127.0.0.1', resolve));
control.unref();
const { port: controlPort } = control.address() as AddressInfo;
console.log(
  `chaos origin ${JSON.stringify({ id: running.identity.instance, port: running.port, control: controlPort })}`,
);
