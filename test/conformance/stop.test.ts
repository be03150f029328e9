import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { engineNames, startSubject, type EngineName } from './subject.ts';
import { message } from './trial.ts';

const stops = 50;
const workers = 16;
/** Up to so many turns of the loop a worker pauses, so that there are idle connections, too. */
const pauseTurns = 8;
const request = message('GET /');

/** A connection of a pool that tries nothing twice. */
class Pooled {
  readonly #socket: Socket;
  #text = '';
  #over: ((outcome: 'keep' | 'close' | 'lost') => void) | undefined;
  state: 'open' | 'closed' = 'open';

  constructor(port: number) {
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => {
      this.#text += text;
      if (!this.#text.endsWith('\r\n\r\nok')) return;
      const closes = /\r\nconnection: close\r\n/i.test(this.#text);
      this.#text = '';
      if (closes) this.close();
      this.#settle(closes ? 'close' : 'keep');
    });
    this.#socket.on('error', () => undefined);
    this.#socket.on('end', () => (this.state = 'closed'));
    this.#socket.on('close', () => {
      this.state = 'closed';
      this.#settle('lost');
    });
  }

  request(): Promise<'keep' | 'close' | 'lost'> {
    return new Promise((resolve) => {
      this.#over = resolve;
      this.#socket.write(request);
    });
  }

  close(): void {
    this.state = 'closed';
    this.#socket.destroy();
  }

  #settle(outcome: 'keep' | 'close' | 'lost'): void {
    this.#over?.(outcome);
    this.#over = undefined;
  }
}

/** Requests on connections that are kept, while one engine after the other takes over and the one before stops. */
async function hammer(engine: EngineName, originPort: number): Promise<{ sent: number; lost: number }> {
  let serving = await startSubject(engine, [originPort]);
  let phase: 'running' | 'over' = 'running';
  const idle: Pooled[] = [];
  const result = { sent: 0, lost: 0 };
  const work = async (): Promise<void> => {
    while (phase === 'running') {
      for (let left = Math.random() * pauseTurns; left > 0; left -= 1) await turn();
      // Any of the pool: some are used again at once, some after a while.
      const [pooled] = idle.splice(Math.floor(Math.random() * idle.length), 1);
      if (pooled?.state === 'closed') continue;
      const connection = pooled ?? new Pooled(serving.port);
      result.sent += 1;
      const outcome = await connection.request();
      if (outcome === 'lost') result.lost += 1;
      if (outcome === 'keep') idle.push(connection);
    }
  };
  const working = Array.from({ length: workers }, work);
  const stopping: Promise<number>[] = [];
  for (let count = 0; count < stops; count += 1) {
    const seen = result.sent;
    while (result.sent < seen + 5 * workers) await turn();
    const leaving = serving;
    serving = await startSubject(engine, [originPort]);
    stopping.push(leaving.stop(5_000));
  }
  await Promise.all(stopping);
  phase = 'over';
  await Promise.all(working);
  for (const connection of idle) connection.close();
  await serving.stop();
  return result;
}

describe.each(engineNames)('the %s engine', (engine) => {
  it(`loses no request of kept connections in ${stops} stops`, async () => {
    const origin = createServer((_request, response) => {
      response.end('ok');
    });
    await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
    try {
      const { sent, lost } = await hammer(engine, (origin.address() as AddressInfo).port);
      expect(sent).toBeGreaterThan(stops * workers);
      expect(lost).toBe(0);
    } finally {
      origin.closeAllConnections();
      origin.close();
    }
  });
});
