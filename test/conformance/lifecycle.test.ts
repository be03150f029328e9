import { lookup } from 'node:dns';

import { endpointKey } from '@roundhouse/agent-sdk/internal';
import { describe, expect, it, onTestFinished } from 'vitest';

import { MemoryBudget } from '../../gateway/src/sockets/memory-budget.ts';
import { eventually } from '../kit/eventually.ts';
import { openRawClient, rawExchange, type RawClient } from '../kit/raw-client.ts';
import { valuesOf } from '../kit/raw-message.ts';
import { ok, type OriginScript, type RecordingOrigin } from '../kit/recording-origin.ts';
import { nothing, openClient, startOrigin } from './fixtures.ts';
import {
  createEngine,
  engineNames,
  startSubject,
  usualLimits,
  type Subject,
  type SubjectOptions,
} from './subject.ts';
import { message } from './trial.ts';

/** How an engine starts, counts, lets go and ends. */

const get = message('GET /');

/** Answers when told to. */
function held(): { readonly script: OriginScript; answer(): void } {
  let answer = (): void => undefined;
  return {
    script: {
      request: (_request, connection) => {
        answer = () => {
          connection.write(ok());
        };
        return undefined;
      },
    },
    answer: () => {
      answer();
    },
  };
}

/** Waits until a port refuses connections. */
async function refused(port: number): Promise<void> {
  await eventually(async () => {
    const connecting = openRawClient(port).then((client) => {
      client.destroy();
    });
    await expect(connecting).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
}

describe.each(engineNames)('the %s engine', (engine) => {
  async function start(
    script?: OriginScript,
    options?: SubjectOptions,
  ): Promise<{ origin: RecordingOrigin; subject: Subject; client: () => Promise<RawClient> }> {
    const origin = await startOrigin(script);
    const subject = await startSubject(engine, [origin.port], options);
    // Some tests provoke an exception of the engine's own.
    onTestFinished(async () => {
      await subject.stop();
    });
    return { origin, subject, client: () => openClient(subject.port) };
  }

  it('rejects listen with the system error when the port is taken, and stops without having listened', async () => {
    const { subject } = await start();
    const idle = createEngine(engine, {
      exchanges: subject.exchanges,
      limits: usualLimits,
      poolIdleMs: 1_000,
      maxUpstreamConnections: Infinity,
      isExempt: () => false,
      onCrowding: () => undefined,
      onExhausted: () => undefined,
      memory: new MemoryBudget({ bytes: 2 ** 30, heapBytes: 2 ** 30 }),
      replayBytes: 0,
      lookup,
      onFault: () => undefined,
    });
    const taken = idle.listen({ host: '127.0.0.1', port: subject.port });
    await expect(taken).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(await idle.stop(1_000)).toBe(0);
    expect(idle.stats()).toEqual(nothing);
  });

  it('counts connections and exchanges on both sides', async () => {
    const { script, answer } = held();
    const { subject, client, origin } = await start(script);
    const sender = await client();
    sender.send(get);
    await eventually(() => {
      expect(origin.requests()).toHaveLength(1);
    });
    expect(subject.engine.stats()).toEqual({ clientConnections: 1, exchanges: 1, upstreamConnections: 1 });
    answer();
    await sender.response();
    await eventually(() => {
      expect(subject.engine.stats()).toEqual({ clientConnections: 1, exchanges: 0, upstreamConnections: 1 });
    });
    sender.destroy();
    await eventually(() => {
      expect(subject.engine.stats()).toEqual({ clientConnections: 0, exchanges: 0, upstreamConnections: 1 });
    });
  });

  it('closes connections over the limit at once', async () => {
    const { client } = await start(undefined, { limits: { connections: 2 } });
    const [first, second] = [await client(), await client()];
    for (const within of [first, second]) {
      within.send(get);
      expect((await within.response()).status).toBe(200);
    }
    await (await client()).closed();
    first.destroy();
    await eventually(async () => {
      const next = await client();
      next.send(get);
      expect((await next.response('GET', 100)).status).toBe(200);
    });
  });

  it('once discouraged, says close on every answer, to idle connections too, and still accepts', async () => {
    const { script, answer } = held();
    const { subject, client, origin } = await start(script);
    const next = async (sender: RawClient): Promise<readonly string[]> => {
      const before = origin.requests().length;
      sender.send(get);
      await eventually(() => {
        expect(origin.requests()).toHaveLength(before + 1);
      });
      answer();
      return valuesOf(await sender.response(), 'connection');
    };
    const idle = await client();
    expect(await next(idle)).not.toContain('close');
    const busy = await client();
    busy.send(get);
    await eventually(() => {
      expect(origin.requests()).toHaveLength(2);
    });
    subject.engine.disableKeepAlive();
    answer();
    expect(valuesOf(await busy.response(), 'connection')).toEqual(['close']);
    for (const sender of [idle, await client()]) {
      expect(await next(sender)).toEqual(['close']);
      expect(await sender.closed()).toBe('ended');
    }
  });

  it('gives an idle connection time for one more request when it stops, and then closes it', async () => {
    const { subject, client } = await start();
    const [asks, silent] = [await client(), await client()];
    for (const sender of [asks, silent]) {
      sender.send(get);
      expect(valuesOf(await sender.response(), 'connection')).not.toContain('close');
    }
    const stopped = subject.stop(5_000);
    await refused(subject.port);
    asks.send(get);
    expect(valuesOf(await asks.response(), 'connection')).toEqual(['close']);
    expect(await asks.closed()).toBe('ended');
    expect(await silent.closed()).toBe('ended');
    asks.destroy();
    silent.destroy();
    expect(await stopped).toBe(0);
  });

  it('lets exchanges finish when it stops, takes no further ones, and leaves nothing open', async () => {
    const { script, answer } = held();
    const { subject, client, origin } = await start(script);
    const sender = await client();
    sender.send(get);
    await eventually(() => {
      expect(origin.requests()).toHaveLength(1);
    });
    const stopped = subject.stop(5_000);
    await refused(subject.port);
    sender.send(get);
    answer();
    expect((await sender.response()).status).toBe(200);
    expect(await sender.closed()).toBe('ended');
    expect(await stopped).toBe(0);
    expect(origin.requests()).toHaveLength(1);
    expect(subject.engine.stats()).toEqual(nothing);
    await eventually(() => {
      expect(origin.open()).toBe(0);
    });
    expect(await subject.stop(0)).toBe(0);
  });

  it('serves a request that arrives on a connection accepted just before it stops', async () => {
    const { subject, client } = await start();
    const sender = await client();
    await eventually(() => {
      expect(subject.engine.stats().clientConnections).toBe(1);
    });
    const stopped = subject.stop(5_000);
    sender.send(get);
    expect((await sender.response()).status).toBe(200);
    expect(await stopped).toBe(0);
  });

  it('cuts what is left at the drain deadline, tunnels too, and tells how many exchanges that were', async () => {
    const { subject, client, origin } = await start({
      request: ({ target }) =>
        target === '/ws' ? 'HTTP/1.1 101 Ok\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n' : undefined,
    });
    const waiting = await client();
    waiting.send(get);
    const tunnel = await client();
    tunnel.send(message('GET /ws', ['Connection: upgrade', 'Upgrade: websocket']));
    expect((await tunnel.response()).status).toBe(101);
    const partial = await client();
    partial.send('GET / HT');
    await eventually(() => {
      expect(origin.requests()).toHaveLength(2);
    });
    const startedAt = performance.now();
    expect(await subject.stop(100)).toBe(2);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    await Promise.all([waiting.closed(), tunnel.closed(), partial.closed()]);
    expect(subject.exchanges.log.map(({ end }) => end?.kind)).toEqual(['shutdown', 'shutdown']);
    expect(subject.engine.stats()).toEqual(nothing);
  });

  it('delivers a large answer to a slow reader while it stops', async () => {
    const body = 'x'.repeat(20_000_000);
    const { subject, client, origin } = await start({ request: () => ok(body) });
    const sender = await client();
    sender.socket.pause();
    sender.send(get);
    await eventually(() => {
      expect(origin.requests()).toHaveLength(1);
    });
    const stopped = subject.stop(10_000);
    sender.socket.resume();
    expect((await sender.response('GET', 10_000)).body).toHaveLength(body.length);
    expect(await stopped).toBe(0);
  });

  it('closes idle connections of endpoints that are gone, and busy ones after their exchange', async () => {
    const { script, answer } = held();
    const { subject, client, origin } = await start(script);
    const [endpoint] = subject.endpoints;
    const live = new Set([endpointKey(endpoint!.instance)]);
    const sender = await client();
    const serve = async (): Promise<void> => {
      const before = origin.requests().length;
      sender.send(get);
      await eventually(() => {
        expect(origin.requests()).toHaveLength(before + 1);
      });
    };
    await serve();
    answer();
    await sender.response();
    subject.engine.closeIdleExcept(live);
    expect(origin.open()).toBe(1);
    subject.engine.closeIdleExcept(new Set());
    await eventually(() => {
      expect(origin.open()).toBe(0);
    });
    await serve();
    subject.engine.closeIdleExcept(new Set());
    expect(origin.open()).toBe(1);
    answer();
    expect((await sender.response()).status).toBe(200);
    await eventually(() => {
      expect(origin.open()).toBe(0);
    });
  });

  it('ends one exchange with a 500 when the exchange throws, reports it, and serves the next', async () => {
    const { subject } = await start(undefined, {
      script: {
        begin: ({ target }) => {
          if (target === '/fault') throw new Error('a mistake');
          return undefined;
        },
      },
    });
    expect((await rawExchange(subject.port, message('GET /fault'))).status).toBe(500);
    expect((await rawExchange(subject.port, get)).status).toBe(200);
    expect(subject.faults).toEqual([expect.objectContaining({ message: 'a mistake' })]);
    await eventually(() => {
      expect(subject.exchanges.log.map(({ end }) => end?.kind)).toEqual(['complete', 'complete']);
    });
  });

  it('answers a step that it can not write with a 500', async () => {
    const { subject } = await start(undefined, {
      script: {
        begin: ({ target }) =>
          target === '/fault'
            ? { kind: 'answer', status: 200, fields: ['X-A', 'a\nb'], body: '', connection: 'keep' }
            : undefined,
      },
    });
    expect((await rawExchange(subject.port, message('GET /fault'))).status).toBe(500);
    expect(subject.faults).toHaveLength(1);
  });
});
