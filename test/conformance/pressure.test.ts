import { describe, expect, it } from 'vitest';

import type { WaitTicket } from '../../gateway/src/exchange/seam.ts';
import { eventually } from '../kit/eventually.ts';
import { rawExchange } from '../kit/raw-client.ts';
import { ok, type OriginScript } from '../kit/recording-origin.ts';
import { openClient, startEngine, startOrigin } from './fixtures.ts';
import { engineNames, type Subject, type SubjectOptions } from './subject.ts';
import { message } from './trial.ts';

/** Clients that don't read, or end their side early: nothing may pile up, be lost, or look finished when it is not. */

describe.each(engineNames)('the %s engine', (engine) => {
  const start = (ports: readonly number[], options?: SubjectOptions): Promise<Subject> =>
    startEngine(engine, ports, options);
  /** Exchanges that begin in a queue. */
  async function startQueue(ports: readonly number[]): Promise<Subject & { readonly tickets: WaitTicket[] }> {
    const tickets: WaitTicket[] = [];
    const subject = await start(ports, {
      script: {
        begin: () => {
          const ticket: WaitTicket = { ready: () => undefined };
          tickets.push(ticket);
          return { kind: 'wait', timeoutMs: 5_000, ticket };
        },
      },
    });
    return { ...subject, tickets };
  }

  /** Answers of 10 KB each: three times what the kernel takes for a client that doesn't read. */
  const requests = 1_200;

  it.each([
    ['its own', 'answer'],
    ['an instance’s', 'relay'],
  ])('makes no more of %s answers than a client that does not read can take', async (_whose, kind) => {
    const body = 'x'.repeat(10_000);
    const origin = await startOrigin({
      data: (connection) => {
        connection.write(ok(body));
      },
    });
    const { port, exchanges } = await start([origin.port], {
      script: {
        begin: ({ target }) =>
          target === '/big' && kind === 'answer'
            ? { kind: 'answer', status: 200, fields: [], body, connection: 'keep' }
            : undefined,
      },
    });
    const sender = await openClient(port);
    sender.socket.pause();
    sender.send(message('GET /big').repeat(requests));
    const begun = (): number => exchanges.log.filter(({ head }) => head.target === '/big').length;
    await eventually(async () => {
      const before = begun();
      await Promise.all(Array.from({ length: 40 }, () => rawExchange(port, message('GET /other'))));
      expect(before).toBeGreaterThan(0);
      expect(begun()).toBe(before);
    });
    expect(begun()).toBeLessThan(requests);
    sender.socket.resume();
    // Too many requests at a time for http-proxy, which cuts such a client.
    if (engine === 'wire') {
      await eventually(
        () => {
          expect(sender.received().split('HTTP/1.1 200').length - 1).toBe(requests);
        },
        10_000,
        50,
      );
    }
  });

  /** It can only tell the end of its response by that of its connection. */
  const old = 'GET / HTTP/1.0\r\nHost: a\r\n\r\n';
  const begins: OriginScript = {
    request: () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
  };

  it('does not let its stop look like the end of a response', async () => {
    const origin = await startOrigin(begins);
    const { port, stop } = await start([origin.port]);
    const sender = await openClient(port);
    sender.send(old);
    await eventually(() => {
      expect(sender.received()).toContain('hello');
    });
    expect(await stop(50)).toBe(1);
    expect(await sender.closed()).toBe('reset');
  });

  it('does not time an instance that is silent about a 100 while the client sends', async () => {
    const origin = await startOrigin({
      data: (connection) => {
        if (connection.received().endsWith('hello')) connection.write(ok());
      },
    });
    const { port } = await start([origin.port], { timeouts: { responseHeadMs: 150 } });
    const sender = await openClient(port);
    sender.send(message('PUT /', ['Expect: 100-continue', 'Content-Length: 5']));
    await eventually(() => {
      expect(origin.connections).toHaveLength(1);
    });
    sender.send('hel');
    await eventually(() => {
      expect(origin.connections[0]?.received().endsWith('hel')).toBe(true);
    });
    expect((await rawExchange(port, message('GET /silent'))).status).toBe(504);
    sender.send('lo');
    expect((await sender.response()).status).toBe(200);
  });

  const bodies: readonly [string, string][] = [
    ['in chunks', message('PUT /', ['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n')],
    ['with a length', message('PUT /', ['Content-Length: 40000'], 'y'.repeat(40_000))],
  ];

  it.each(bodies)('answers a client that ends its side right behind a body %s', async (_form, request) => {
    const origin = await startOrigin();
    const { port, exchanges } = await start([origin.port]);
    const sender = await openClient(port);
    sender.send(request);
    sender.end();
    await sender.closed();
    expect(sender.received()).toContain('200 OK');
    expect(exchanges.log[0]?.end?.kind).toBe('complete');
  });

  it.each(bodies)(
    'answers one that did so while it waited for a place, with a body %s',
    async (_form, request) => {
      const origin = await startOrigin();
      const { port, exchanges, tickets } = await startQueue([origin.port]);
      const sender = await openClient(port);
      sender.send(request);
      sender.end();
      await heard(port, tickets);
      tickets[0]!.ready();
      await sender.closed();
      expect(sender.received()).toContain('200 OK');
      expect(exchanges.log[0]?.end?.kind).toBe('complete');
    },
  );

  it('drops a request whose client ends its side in the middle of a body that waits with it', async () => {
    const origin = await startOrigin();
    const { port, exchanges, tickets } = await startQueue([origin.port]);
    const sender = await openClient(port);
    sender.send(message('PUT /', ['Transfer-Encoding: chunked'], '5\r\nhel'));
    sender.end();
    await heard(port, tickets);
    tickets[0]!.ready();
    await sender.closed();
    expect(sender.received()).not.toContain('200 OK');
    expect(exchanges.log[0]?.end?.kind).toBe('client_closed');
    expect(origin.requests()).toEqual([]);
  });
});

/** What was sent before another exchange began has been heard by then. */
async function heard(port: number, tickets: readonly WaitTicket[]): Promise<void> {
  const before = await eventually(() => {
    expect(tickets.length).toBeGreaterThan(0);
    return tickets.length;
  });
  const other = await openClient(port);
  other.send(message('GET /other'));
  await eventually(() => {
    expect(tickets.length).toBeGreaterThan(before);
  });
  other.reset();
}
