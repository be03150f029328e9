/**
 * A service of the chaos suite: registers with the SDK, says in every answer which request it has executed and who it is, and writes each id
 * to a journal before it answers. Told on its control port, it misbehaves.
 *
 *     SERVICE_NAME ROUTES (comma-separated) JOURNAL (file) DRAIN_MS PROPAGATION_MS TTL_MS WORK_MS, and all that the SDK reads
 */
import { createHash, randomUUID } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { startService } from '@roundhouse/agent-sdk';
import { WebSocketServer } from 'ws';

/** What it does with a request; see `docs/reliability.md`. */
type Mode = 'healthy' | 'hang' | 'error' | 'unavailable' | 'slow' | 'slow-head' | 'slow-body' | 'reset';

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
const instance = `${name}-${randomUUID().slice(0, 8)}`;
const journal = openSync(journalFile, 'a');
const dribbleMs = 1_000;
const slowMs = 200;

/** Whether the socket of a request stays up for longer than it needs: what hangs is let go when the mode ends. */
const held = new Set<ServerResponse>();

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const id = String(request.headers['x-chaos-id'] ?? '');
  // One system call, done before anything can be answered: what is executed is on record even when the process is killed.
  if (id !== '') writeSync(journal, `${id} ${request.method ?? ''} ${instance}\n`);
  const digest = createHash('sha1');
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    digest.update(chunk);
    bytes += chunk.length;
  }
  if (mode === 'hang') {
    held.add(response);
    return;
  }
  if (mode === 'slow') await sleep(slowMs);
  if (workMs !== '0') await sleep(Number(workMs));
  const body = JSON.stringify({ id, service: name, instance, bytes, sha1: digest.digest('hex') });
  const failing = mode === 'error' ? 500 : mode === 'unavailable' ? 503 : 200;
  response.setHeader('x-chaos-id', id);
  response.setHeader('x-chaos-service', name);
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

const server = createServer((request, response) => {
  serve(request, response).catch(() => response.destroy());
});
server.on('connection', (socket) => socket.on('error', () => undefined));

const sockets = new WebSocketServer({ noServer: true });
server.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, (client) => {
    client.on('message', (data) => {
      client.send(data as Buffer);
    });
    client.on('error', () => undefined);
  });
});

const control = createServer((request, response) => {
  const asked = new URL(request.url ?? '/', 'http://control').searchParams.get('mode');
  if (asked !== null) {
    mode = asked as Mode;
    for (const response of held) response.destroy();
    held.clear();
  }
  response.end(mode);
});
await new Promise<void>((resolve) => control.listen(0, '127.0.0.1', resolve));
control.unref();

const handle = await startService({
  name,
  id: instance,
  routes: routes === '' ? [] : routes.split(','),
  handler: server,
  drainTimeoutMs: Number(drainMs),
  propagationMs: Number(propagationMs),
  ttlMs: Number(ttlMs),
});
console.log(
  `chaos origin ${JSON.stringify({ id: instance, port: handle.port, control: (control.address() as AddressInfo).port })}`,
);
