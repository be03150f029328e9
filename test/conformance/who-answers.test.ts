import { endpointKey, identityAnswer, identityPath } from '@roundhouse/agent-sdk/internal';
import { describe, expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { rawExchange } from '../kit/raw-client.ts';
import { ok, type OriginConnection, type OriginScript } from '../kit/recording-origin.ts';
import { startEngine, startOrigin } from './fixtures.ts';
import { engineNames, type Subject, type SubjectOptions } from './subject.ts';
import { message } from './trial.ts';

/** Who is at the other end of a connection to an instance (docs/decisions/0007-who-answers.md), and where a name leads. */

/** An instance of the SDK: it says who it is, and answers. */
function instance(id: string): OriginScript {
  return { request: ({ target }) => (target === identityPath ? identityAnswer(id) : ok(id)) };
}

const onBytes = (data: (connection: OriginConnection) => void): OriginScript => ({ data });

const post = message('POST /', ['Content-Length: 5'], 'hello');
const asked = { attempt: { identity: 'a-1' } };

describe.each(engineNames)('the %s engine', (engine) => {
  const start = (ports: readonly number[], options?: SubjectOptions): Promise<Subject> =>
    startEngine(engine, ports, options);

  it('asks once on each new connection, and never again', async () => {
    const origin = await startOrigin(instance('a-1'));
    const { port } = await start([origin.port], asked);
    for (let i = 0; i < 3; i += 1)
      expect(await rawExchange(port, post)).toMatchObject({ status: 200, body: 'a-1' });
    expect(origin.connections).toHaveLength(1);
    expect(origin.requests().map(({ target }) => target)).toEqual([identityPath, '/', '/', '/']);
  });

  it('takes an answer that comes byte by byte', async () => {
    const answer = identityAnswer('a-1');
    const origin = await startOrigin({
      request: ({ target }, connection) => {
        if (target !== identityPath) return ok();
        const drip = (at: number): void => {
          connection.write(answer.charAt(at));
          if (at + 1 < answer.length) setImmediate(drip, at + 1);
        };
        drip(0);
        return undefined;
      },
    });
    const { port } = await start([origin.port], asked);
    expect((await rawExchange(port, post)).status).toBe(200);
  });

  it.each<[string, OriginScript]>([
    ['another instance', instance('b-7')],
    [
      'a service that knows no such question',
      { request: () => 'HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n' },
    ],
    [
      'something that is not HTTP',
      onBytes((connection) => {
        connection.write('220 mail\r\n\r\n');
      }),
    ],
    [
      'a peer that hangs up',
      onBytes((connection) => {
        connection.end();
      }),
    ],
    [
      'a peer that resets',
      onBytes((connection) => {
        connection.reset();
      }),
    ],
    [
      'a peer that says more than that',
      { request: () => `${identityAnswer('a-1')}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil` },
    ],
  ])('sends nothing to %s, and goes to another instance, whatever the method', async (_who, script) => {
    const [stranger, sound] = [await startOrigin(script), await startOrigin(instance('a-1'))];
    const { port, exchanges } = await start([stranger.port, sound.port], asked);
    expect(await rawExchange(port, post)).toMatchObject({ status: 200, body: 'a-1' });
    expect(exchanges.log[0]?.failures).toEqual([
      { code: 'wrong_instance', sent: 'nothing', connection: 'fresh' },
    ]);
    expect(stranger.connections[0]?.received()).not.toContain('POST');
    await eventually(() => {
      expect(stranger.open()).toBe(0);
    });
  });

  it('gives the question no more time than a connection', async () => {
    const [stuck, sound] = [await startOrigin({}), await startOrigin(instance('a-1'))];
    const { port, exchanges } = await start([stuck.port, sound.port], {
      ...asked,
      timeouts: { connectMs: 100 },
    });
    expect((await rawExchange(port, post)).status).toBe(200);
    expect(exchanges.log[0]?.failures).toEqual([
      { code: 'connect_timeout', sent: 'nothing', connection: 'fresh' },
    ]);
    await eventually(() => {
      expect(stuck.open()).toBe(0);
    });
  });

  it('does not use a connection without a verified identity for an instance that needs one', async () => {
    const origin = await startOrigin(instance('a-1'));
    const { port } = await start([origin.port], {
      script: { begin: ({ target }, attempt) => attempt({ identity: target === '/1' ? undefined : 'a-1' }) },
    });
    await rawExchange(port, message('GET /1'));
    await rawExchange(port, message('GET /2'));
    expect(origin.connections.map((connection) => connection.requests().map(({ target }) => target))).toEqual(
      [['/1'], [identityPath, '/2']],
    );
  });

  it('opens new connections for an instance that has moved, and closes those to its old place (I10)', async () => {
    const [before, after] = [await startOrigin({ request: () => ok('b') }), await startOrigin()];
    let moved: 'no' | 'yes' = 'no';
    const subject: Subject = await start([before.port, after.port], {
      script: {
        begin: (_head, attempt) => {
          const [{ instance: old }, { instance: place }] = [subject.endpoints[0]!, subject.endpoints[1]!];
          const now = moved === 'yes' ? { ...old, port: place.port } : old;
          return attempt({ endpoint: { ...subject.endpoints[0]!, instance: now } });
        },
      },
    });
    expect((await rawExchange(subject.port, post)).body).toBe('b');
    moved = 'yes';
    expect((await rawExchange(subject.port, post)).body).toBe('ok');
    const { instance: old } = subject.endpoints[0]!;
    subject.engine.closeIdleExcept(new Set([endpointKey({ ...old, port: after.port })]));
    await eventually(() => {
      expect([before.open(), after.open()]).toEqual([0, 1]);
    });
  });

  it('connects to what the given lookup makes of a name, and to nothing that it refuses', async () => {
    const origin = await startOrigin();
    const names: string[] = [];
    const subject: Subject = await start([origin.port], {
      lookup: (name, options, done) => {
        names.push(name);
        if (name !== 'good.internal') done(Object.assign(new Error('refused'), { code: 'EACCES' }), '', 4);
        else if (options.all === true) done(null, [{ address: '127.0.0.1', family: 4 }]);
        else done(null, '127.0.0.1', 4);
      },
      script: {
        begin: ({ target }, attempt) => {
          const [endpoint] = subject.endpoints;
          const address = `${target.slice(1)}.internal`;
          return attempt({ endpoint: { ...endpoint!, instance: { ...endpoint!.instance, address } } });
        },
      },
    });
    expect((await rawExchange(subject.port, message('GET /good'))).status).toBe(200);
    expect((await rawExchange(subject.port, message('GET /bad'))).status).toBe(502);
    expect(names).toEqual(['good.internal', 'bad.internal']);
    expect(subject.exchanges.log[1]?.failures).toEqual([
      { code: 'connect_failed', sent: 'nothing', connection: 'fresh' },
    ]);
  });

  it('finds no connection where the registry names an impossible place', async () => {
    const subject: Subject = await start([1], {
      script: {
        begin: (_head, attempt) => {
          const [endpoint] = subject.endpoints;
          return attempt({ endpoint: { ...endpoint!, instance: { ...endpoint!.instance, port: 99_999 } } });
        },
      },
    });
    expect((await rawExchange(subject.port, post)).status).toBe(502);
    expect(subject.exchanges.log[0]?.failures).toEqual([
      { code: 'connect_failed', sent: 'nothing', connection: 'fresh' },
    ]);
  });
});
