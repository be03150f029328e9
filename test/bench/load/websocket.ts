import { connect, type Socket } from 'node:net';

import { percentile } from '../statistics.ts';
import type { LoadResult } from './load.ts';

const payloadBytes = 64;
const openDeadlineMs = 5_000;

/** A masked text frame (RFC 6455 §5.2) of 64 characters; the mask is fixed, as no intermediary checks it. */
function clientFrame(): Buffer {
  const mask = Buffer.from([0x1f, 0x2e, 0x3d, 0x4c]);
  const payload = Buffer.alloc(payloadBytes, 'w').map((byte, index) => byte ^ (mask[index & 3] ?? 0));
  return Buffer.concat([Buffer.from([0x81, 0x80 | payloadBytes]), mask, payload]);
}

/** One of the echo's connections; counts what comes back by bytes. */
interface Echo {
  readonly socket: Socket;
  received: number;
  sentAtMs: number;
}

/**
 * WebSocket echo: `connections` tunnels, each with one message of 64 bytes under way at a time, for `durationMs`. Opening them is not part
 * of the time. A connection that is refused, broken or gets something else than an echo counts as an error and is not replaced.
 */
export async function webSocketEcho(
  port: number,
  { connections, durationMs }: { readonly connections: number; readonly durationMs: number },
): Promise<LoadResult> {
  const frame = clientFrame();
  const echoBytes = payloadBytes + 2;
  const latenciesUs: number[] = [];
  let errors = 0;
  const opening = Array.from({ length: connections }, () => openTunnel(port));
  const echoes: Echo[] = [];
  for (const result of await Promise.allSettled(opening)) {
    if (result.status === 'rejected') errors += 1;
    else echoes.push({ socket: result.value, received: 0, sentAtMs: 0 });
  }

  const startedMs = performance.now();
  for (const echo of echoes) {
    const { socket } = echo;
    const send = (): void => {
      echo.sentAtMs = performance.now();
      socket.write(frame);
    };
    socket.on('data', (chunk) => {
      const frameStart = (echoBytes - echo.received) % echoBytes;
      if (frameStart < chunk.length && chunk[frameStart] !== 0x81) {
        errors += 1;
        socket.destroy();
        return;
      }
      echo.received += chunk.length;
      if (echo.received < echoBytes) return;
      echo.received = 0;
      latenciesUs.push((performance.now() - echo.sentAtMs) * 1000);
      send();
    });
    socket.on('close', () => {
      if (phase === 'running') errors += 1;
    });
    send();
  }
  let phase: 'running' | 'over' = 'running';
  await new Promise((resolve) => setTimeout(resolve, durationMs));
  phase = 'over';
  const elapsedMs = performance.now() - startedMs;
  for (const { socket } of echoes) socket.destroy();
  return {
    requests: latenciesUs.length,
    elapsedMs,
    p50Us: percentile(latenciesUs, 0.5),
    p99Us: percentile(latenciesUs, 0.99),
    errors,
  };
}

function openTunnel(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const deadline = setTimeout(() => {
      socket.destroy(new Error('the tunnel does not open'));
    }, openDeadlineMs);
    let head = '';
    const read = (chunk: Buffer): void => {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      clearTimeout(deadline);
      socket.off('data', read);
      if (/^HTTP\/1\.1 101 /.test(head)) resolve(socket);
      else socket.destroy(new Error(head.slice(0, 40)));
    };
    socket.on('data', read);
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(deadline);
      reject(new Error('closed'));
    });
    socket.write(
      `GET /echo HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
  });
}
