import { describe, expect, it } from 'vitest';

import type { AttemptStep, WaitTicket } from '../../gateway/src/exchange/seam.ts';
import { eventually } from '../kit/eventually.ts';
import { rawExchange } from '../kit/raw-client.ts';
import { ok, type OriginScript } from '../kit/recording-origin.ts';
import { openClient, startEngine, startOrigin } from './fixtures.ts';
import { engineNames, type Subject, type SubjectOptions } from './subject.ts';
import { message } from './trial.ts';

/** What an exchange waits for: a place, a pause, a try, the whole, a second attempt. */

const silent: OriginScript = {};
const get = message('GET /');
const post = message('POST /', ['Content-Length: 5'], 'hello');

describe.each(engineNames)('the %s engine', (engine) => {
  const start = (ports: readonly number[], options?: SubjectOptions): Promise<Subject> =>
    startEngine(engine, ports, options);
  /** Exchanges that begin in a queue; `grant` is what a lease that becomes free does. */
  function queue(timeoutMs: number): {
    readonly options: SubjectOptions;
    readonly tickets: WaitTicket[];
  } {
    const tickets: WaitTicket[] = [];
    return {
      tickets,
      options: {
        script: {
          begin: () => {
            const ticket: WaitTicket = { ready: () => undefined };
            tickets.push(ticket);
            return { kind: 'wait', timeoutMs, ticket };
          },
          waited: (how) =>
            how === 'ready'
              ? undefined
              : { kind: 'answer', status: 503, fields: [], body: 'full', connection: 'keep' },
        },
      },
    };
  }

  it('notices that a client which it does not read on has reset its connection', async () => {
    const { options } = queue(60_000);
    const { port, engine: running, memory } = await start([], options);
    const sender = await openClient(port);
    sender.send(message('POST /', ['Content-Length: 1000000'], 'x'.repeat(200_000)));
    // It holds what it takes, and reads no more.
    await eventually(() => {
      expect(memory.usedBytes).toBeGreaterThan(65_536);
    });
    sender.reset();
    await eventually(() => {
      expect(running.stats().exchanges).toBe(0);
    }, 10_000);
  });

  it('holds a request, body and all, until there is a place for it', async () => {
    const origin = await startOrigin();
    const { options, tickets } = queue(5_000);
    const { port, exchanges } = await start([origin.port], options);
    const sender = await openClient(port);
    sender.send(post);
    await eventually(() => {
      expect(tickets).toHaveLength(1);
    });
    expect(origin.requests()).toEqual([]);
    tickets[0]!.ready();
    expect(exchanges.log[0]?.waits).toEqual([]);
    expect((await sender.response()).status).toBe(200);
    expect(origin.requests().map(({ body }) => body)).toEqual(['hello']);
    expect(exchanges.log[0]?.waits).toEqual(['ready']);
  });

  it('gives up a place after its time, and hears no call for it any more', async () => {
    const origin = await startOrigin();
    const { options, tickets } = queue(60);
    const { port, exchanges } = await start([origin.port], options);
    const sender = await openClient(port);
    sender.send(get);
    expect(await sender.response()).toMatchObject({ status: 503, body: 'full' });
    tickets[0]!.ready();
    sender.send(get);
    await sender.response();
    expect(exchanges.log.map(({ waits }) => waits)).toEqual([['timeout'], ['timeout']]);
    expect(origin.requests()).toEqual([]);
  });

  it('tells the exchange when a client leaves its place, and hears no call for it any more', async () => {
    const origin = await startOrigin();
    const { options, tickets } = queue(5_000);
    const { port, exchanges } = await start([origin.port], options);
    const sender = await openClient(port);
    sender.send(get);
    await eventually(() => {
      expect(tickets).toHaveLength(1);
    });
    sender.reset();
    await eventually(() => {
      expect(exchanges.log[0]?.end?.kind).toBe('client_closed');
    });
    expect(exchanges.log[0]?.failures.map(({ code }) => code)).toEqual(['client_closed']);
    tickets[0]!.ready();
    expect((await startedAndAnswered(port, tickets)).status).toBe(200);
    expect(exchanges.log[0]?.waits).toEqual([]);
    expect(origin.requests()).toHaveLength(1);
  });

  async function startedAndAnswered(port: number, tickets: WaitTicket[]) {
    const before = tickets.length;
    const sender = await openClient(port);
    sender.send(get);
    await eventually(() => {
      expect(tickets).toHaveLength(before + 1);
    });
    tickets[before]!.ready();
    return sender.response();
  }

  it('pauses without a ticket, and goes on', async () => {
    const origin = await startOrigin();
    const { port, exchanges } = await start([origin.port], {
      script: { begin: () => ({ kind: 'wait', timeoutMs: 30, ticket: undefined }) },
    });
    expect((await rawExchange(port, post)).status).toBe(200);
    expect(exchanges.log[0]?.waits).toEqual(['timeout']);
  });

  it('cuts what waits at the drain deadline', async () => {
    const origin = await startOrigin();
    const { options, tickets } = queue(5_000);
    const subject = await start([origin.port], options);
    const sender = await openClient(subject.port);
    sender.send(get);
    await eventually(() => {
      expect(tickets).toHaveLength(1);
    });
    expect(await subject.stop(50)).toBe(1);
    expect(subject.exchanges.log[0]?.end?.kind).toBe('shutdown');
  });

  it('ends a try after its time, and goes to another instance', async () => {
    const [slow, quick] = [await startOrigin(silent), await startOrigin()];
    const { port, exchanges } = await start([slow.port, quick.port], { timeouts: { tryMs: 100 } });
    expect((await rawExchange(port, get)).status).toBe(200);
    expect(exchanges.log[0]?.failures).toEqual([{ code: 'try_timeout', sent: 'head', connection: 'fresh' }]);
    await eventually(() => {
      expect(slow.open()).toBe(0);
    });
  });

  it('counts an upload that the instance does not answer into its try', async () => {
    const origin = await startOrigin(silent);
    const { port, exchanges } = await start([origin.port], { timeouts: { tryMs: 100 } });
    const sender = await openClient(port);
    sender.send(message('PUT /', ['Content-Length: 10'], 'hello'));
    expect((await sender.response()).status).toBe(504);
    expect(exchanges.log[0]?.failures.map(({ code }) => code)).toEqual(['try_timeout']);
  });

  it('does not count the body of the answer into a try', async () => {
    const origin = await startOrigin({
      request: (_request, connection) => {
        connection.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel');
        setTimeout(() => {
          connection.write('lo');
        }, 250);
        return undefined;
      },
    });
    const { port } = await start([origin.port], { timeouts: { tryMs: 100 } });
    expect(await rawExchange(port, get)).toMatchObject({ status: 200, body: 'hello' });
  });

  it('answers 504 when the time of the whole exchange is over before the head', async () => {
    const origin = await startOrigin(silent);
    const { port, exchanges } = await start([origin.port, origin.port], { timeouts: { totalMs: 100 } });
    expect((await rawExchange(port, get)).status).toBe(504);
    expect(exchanges.log[0]?.failures).toEqual([
      { code: 'deadline_exceeded', sent: 'head', connection: 'fresh' },
    ]);
    expect(exchanges.log[0]?.end?.kind).toBe('complete');
  });

  it.each([
    ['with a length', 'Content-Length: 9'],
    ['in chunks', 'Transfer-Encoding: chunked'],
    ['that ends with the connection', 'X-A: b'],
  ])('cuts an answer %s when the time of the whole exchange is over, visibly', async (_form, field) => {
    const origin = await startOrigin({
      request: () => `HTTP/1.1 200 OK\r\n${field}\r\n\r\n5\r\nab`,
    });
    const { port, exchanges } = await start([origin.port], { timeouts: { totalMs: 150 } });
    const sender = await openClient(port);
    sender.send(get);
    await eventually(() => {
      expect(sender.received()).toContain('\r\n\r\n');
    });
    await sender.closed();
    expect(sender.received()).not.toContain('0\r\n\r\n');
    await eventually(() => {
      expect(exchanges.log[0]?.end?.kind).toBe('deadline');
      expect(origin.open()).toBe(0);
    });
  });

  it('gives a tunnel all the time it wants', async () => {
    const origin = await startOrigin({
      request: () => 'HTTP/1.1 101 Ok\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
    });
    const { port, exchanges } = await start([origin.port], { timeouts: { totalMs: 60, tryMs: 60 } });
    const sender = await openClient(port);
    sender.send(message('GET /', ['Connection: upgrade', 'Upgrade: websocket']));
    expect((await sender.response()).status).toBe(101);
    // Longer than the total: a second exchange that ends by its own.
    origin.play(silent);
    expect((await rawExchange(port, get)).status).toBe(504);
    expect(sender.state()).toBe('open');
    expect(exchanges.log[0]?.end).toBe(undefined);
  });

  it('asks a second instance when the first is slow, and relays the answer that comes first', async () => {
    const [slow, quick] = [await startOrigin(silent), await startOrigin({ request: () => ok('quick') })];
    const { port, exchanges } = await start([slow.port, quick.port], { attempt: { hedgeAfterMs: 40 } });
    expect(await rawExchange(port, get)).toMatchObject({ status: 200, body: 'quick' });
    expect(slow.requests()).toHaveLength(1);
    expect(exchanges.log[0]?.failures).toEqual([]);
    await eventually(() => {
      expect(slow.open()).toBe(0);
    });
  });

  it('relays the first of two when it is the first after all, and drops the second', async () => {
    const answers: (() => void)[] = [];
    const first = await startOrigin({
      request: (_request, connection) => {
        answers.push(() => {
          connection.write(ok('first'));
        });
        return undefined;
      },
    });
    const second = await startOrigin(silent);
    const { port } = await start([first.port, second.port], { attempt: { hedgeAfterMs: 40 } });
    const sender = await openClient(port);
    sender.send(get);
    await eventually(() => {
      expect(second.connections[0]?.received()).toContain('GET /');
    });
    answers[0]!();
    expect(await sender.response()).toMatchObject({ status: 200, body: 'first' });
    await eventually(() => {
      expect(second.open()).toBe(0);
      expect(first.open()).toBe(1);
    });
  });

  it('waits for the second of two when the first fails', async () => {
    const breakers: (() => void)[] = [];
    const first = await startOrigin({
      request: (_request, connection) => {
        breakers.push(() => {
          connection.reset();
        });
        return undefined;
      },
    });
    const second = await startOrigin({
      request: (_request, connection) => {
        breakers[0]!();
        first.play({});
        void eventually(() => {
          expect(first.open()).toBe(0);
        }).then(() => {
          connection.write(ok('second'));
        });
        return undefined;
      },
    });
    const { port, exchanges } = await start([first.port, second.port], { attempt: { hedgeAfterMs: 40 } });
    expect(await rawExchange(port, get)).toMatchObject({ status: 200, body: 'second' });
    expect(exchanges.log[0]?.failures.map(({ code }) => code)).toEqual(['upstream_reset']);
  });

  it('drops both of two when the client leaves', async () => {
    const [first, second] = [await startOrigin(silent), await startOrigin(silent)];
    const { port, exchanges } = await start([first.port, second.port], { attempt: { hedgeAfterMs: 40 } });
    const sender = await openClient(port);
    sender.send(get);
    await eventually(() => {
      expect(second.connections[0]?.received()).toContain('GET /');
    });
    sender.reset();
    await eventually(() => {
      expect([first.open(), second.open()]).toEqual([0, 0]);
      expect(exchanges.log[0]?.end?.kind).toBe('client_closed');
    });
    expect(exchanges.log[0]?.failures.map(({ code }) => code)).toEqual(['client_closed']);
  });

  it('asks a second instance when the first is silent, and relays the answer that comes first', async () => {
    const [silence, quick] = [await startOrigin(silent), await startOrigin({ request: () => ok('quick') })];
    const { port, engine, endpoints } = await start([silence.port, quick.port], {
      script: { leave: (attempt) => attempt() },
    });
    const sender = await openClient(port);
    sender.send(get);
    await eventually(() => {
      expect(silence.requests()).toHaveLength(1);
    });
    engine.leave(endpoints[1]!);
    expect(quick.connections).toHaveLength(0);
    engine.leave(endpoints[0]!);
    expect(await sender.response()).toMatchObject({ status: 200, body: 'quick' });
    // Its answer has been given: nothing is left to be tried elsewhere.
    engine.leave(endpoints[1]!);
    expect(quick.connections).toHaveLength(1);
  });

  it('asks a second instance when the first accepts and gives no identity', async () => {
    const [silence, quick] = [await startOrigin({}), await startOrigin({ request: () => ok('quick') })];
    const given: AttemptStep[] = [];
    const { port, engine, endpoints, exchanges } = await start([silence.port, quick.port], {
      script: {
        begin: (_head, attempt) => {
          given.push(attempt({ identity: 'somebody' }));
          return given[0];
        },
        leave: (attempt) => {
          given[0]?.driver?.abandon();
          return attempt();
        },
      },
    });
    const sender = await openClient(port);
    sender.send(message('POST /', ['Content-Length: 4'], 'body'));
    await eventually(() => {
      expect(silence.connections).toHaveLength(1);
    });
    engine.leave(endpoints[0]!);
    expect(await sender.response()).toMatchObject({ status: 200, body: 'quick' });
    expect(quick.requests()).toMatchObject([{ body: 'body' }]);
    expect(exchanges.log[0]?.failures).toEqual([]);
  });

  it('goes on with one attempt when there is no second', async () => {
    const origin = await startOrigin({
      request: (_request, connection) => {
        setTimeout(() => {
          connection.write(ok('late'));
        }, 150);
        return undefined;
      },
    });
    const { port } = await start([origin.port], { attempt: { hedgeAfterMs: 40 } });
    expect(await rawExchange(port, get)).toMatchObject({ status: 200, body: 'late' });
    expect(origin.connections).toHaveLength(1);
  });
});
