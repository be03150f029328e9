import { KeptBodies } from './kept-bodies.ts';
import { describe, expect, it } from 'vitest';

import {
  createScriptedExchanges,
  type ExchangeScript,
} from '../../../test/conformance/scripted-exchanges.ts';
import { endpointAt } from '../../../test/kit/builders.ts';
import { MemoryBudget } from '../sockets/memory-budget.ts';
import { ContentPiece } from './content-piece.ts';
import type { AcceptedRequest } from './ports.ts';
import { ExchangeRun } from './run.ts';
import { FakeClient, FakeInstances, manualWheel, type FakeInstance } from './testing/fake-ports.ts';

const timeouts = { connectMs: 100, responseHeadMs: 200, idleMs: 300, tryMs: 0, totalMs: 0 };

/** The run over ports without sockets. */
function start(
  options: { request?: Partial<AcceptedRequest>; script?: ExchangeScript; totalMs?: number } = {},
) {
  const { wheel, pass } = manualWheel();
  const instances = new FakeInstances();
  const exchanges = createScriptedExchanges({
    endpoints: [endpointAt(1), endpointAt(2)],
    timeouts: { ...timeouts, totalMs: options.totalMs ?? 0 },
    script: options.script ?? {},
  });
  const faults: unknown[] = [];
  const client = new FakeClient();
  const request: AcceptedRequest = {
    method: 'GET',
    target: '/',
    version: '1.1',
    fields: [],
    body: { kind: 'none' },
    upgrade: undefined,
    client: client.facts,
    persistence: 'keep',
    wantsTrailers: false,
    expectation: 'none',
    headBytes: 100,
    ...options.request,
  };
  if (request.body.kind === 'length') client.body = new ContentPiece(request.body.bytes);
  const run = new ExchangeRun(client, request, {
    exchanges,
    instances,
    wheel,
    memory: new MemoryBudget({ bytes: 2 ** 30, heapBytes: 2 ** 30 }),
    replayBytes: 1_000,
    keptBodies: new KeptBodies(),
    closeAfterMs: () => undefined,
    httpDate: () => '',
    onFault: (fault) => faults.push(fault),
    limits: {
      requestHeadMs: 1,
      keepAliveMs: 1,
      headBytes: 1,
      headLines: 1,
      bodyBytes: 0,
      connections: 1,
      connectionsPerAddress: 0,
      memoryBytes: 0,
      minBytesPerSecond: 0,
      paceMs: 1_000,
    },
    state: 'open',
    exchangesRunning: 0,
    port: 80,
  });
  client.handler = run;
  run.begin();
  const instance = (index: number): FakeInstance => {
    const opened = instances.opened[index];
    if (opened === undefined) throw new Error(`no instance ${String(index)}`);
    return opened;
  };
  return { run, client, instance, instances, pass, wheel, faults, log: exchanges.log };
}

const whole = (text: string): ContentPiece => new ContentPiece(undefined).finish(Buffer.from(text));
const part = (text: string): ContentPiece => new ContentPiece(undefined).take(Buffer.from(text));
const upload: Partial<AcceptedRequest> = { method: 'PUT', body: { kind: 'length', bytes: 10 } };

describe('a run', () => {
  it('sends the request when the connection stands, relays the response, and gives the connection back', () => {
    const { client, instance, log, wheel } = start();
    expect(instance(0).events).toEqual([]);
    instance(0).connect();
    instance(0).respond(200);
    instance(0).handler.instanceBody(whole('hello'));
    expect(instance(0).events).toEqual(['request  whole', 'receive', 'release true']);
    expect(client.events).toEqual(['begin 200', 'send hello', 'done keep']);
    expect(log[0]?.end).toEqual({ kind: 'complete', requestBytes: 0, responseBytes: 5 });
    expect([client.timeout.dueTick, instance(0).timeout.dueTick]).toEqual([-1, -1]);
    wheel.stop();
  });

  it('waits for the instance to connect, then for its head, each for its own time', () => {
    const { instance, pass, log, client } = start();
    pass(timeouts.connectMs);
    expect(log[0]?.failures).toEqual([{ code: 'connect_timeout', sent: 'nothing', connection: 'fresh' }]);
    expect(instance(0).events).toEqual(['reset']);
    instance(1).connect();
    pass(timeouts.responseHeadMs);
    expect(log[0]?.failures[1]).toEqual({ code: 'upstream_timeout', sent: 'head', connection: 'fresh' });
    expect(client.events).toEqual(['answer 504 keep', 'done keep']);
  });

  it('lets only the side that is waited for time out during an upload', () => {
    const { client, instance } = start({ request: upload });
    const due = (): boolean[] => [client.timeout.dueTick !== -1, instance(0).timeout.dueTick !== -1];
    expect(due()).toEqual([false, true]);
    instance(0).connect();
    expect(due()).toEqual([true, false]);
    client.send('hello');
    expect(due()).toEqual([true, false]);
    instance(0).flow = 'full';
    client.send('wor');
    expect(due()).toEqual([false, true]);
    instance(0).flow = 'flowing';
    instance(0).handler.instanceDrained();
    expect(due()).toEqual([true, false]);
    client.send('ld');
    client.sendEnd();
    expect(due()).toEqual([false, true]);
    expect(instance(0).events).toEqual(['request ', 'send hello', 'send wor', 'send ld', 'send ']);
    expect(client.events).toEqual(['resume', 'pause', 'resume']);
  });

  it('waits for a client that takes nothing, and pauses the instance meanwhile', () => {
    const { client, instance, pass, log } = start();
    instance(0).connect();
    instance(0).respond(200);
    client.response.flow = 'full';
    instance(0).handler.instanceBody(part('he'));
    expect(instance(0).events.at(-1)).toBe('pause');
    expect([client.timeout.dueTick !== -1, instance(0).timeout.dueTick]).toEqual([true, -1]);
    client.response.flow = 'flowing';
    client.handler?.clientDrained();
    expect(instance(0).events.at(-1)).toBe('resume');
    pass(timeouts.idleMs);
    expect(client.events.at(-1)).toBe('destroy plain');
    expect(log[0]?.end?.kind).toBe('response_incomplete');
  });

  it('sends what is kept of a body to the next instance, with what comes', () => {
    const { client, instance, log } = start({ request: upload });
    instance(0).connect();
    client.send('hello');
    instance(0).handler.instanceLost('upstream_reset', 'something');
    expect(log[0]?.failures).toEqual([{ code: 'upload_refused', sent: 'head', connection: 'fresh' }]);
    instance(1).connect();
    client.send('world');
    client.sendEnd();
    expect(instance(1).events).toEqual(['request hello', 'send world', 'send ']);
  });

  it('gives a connection back after an early response only when the rest of the request has left', () => {
    const { client, instance, pass, log } = start({ request: upload });
    instance(0).connect();
    client.send('hello');
    instance(0).respond(200);
    instance(0).handler.instanceBody(whole('early'));
    expect(log[0]?.end).toBeUndefined();
    instance(0).flushed = false;
    client.send('world');
    client.sendEnd();
    expect(log[0]?.end).toBeUndefined();
    instance(0).flushed = true;
    instance(0).handler.instanceDrained();
    expect(instance(0).events.at(-1)).toBe('release true');
    expect(client.events.at(-1)).toBe('done keep');
    expect(log[0]?.end).toEqual({ kind: 'complete', requestBytes: 10, responseBytes: 5 });
    pass(timeouts.idleMs);
    expect(client.events.at(-1)).toBe('done keep');
  });

  describe('that hedges', () => {
    const hedging: ExchangeScript = { begin: (_head, attempt) => attempt({ hedgeAfterMs: 50 }) };

    it('takes the first response and resets the other attempt', () => {
      const { instance, pass, client } = start({ script: hedging });
      instance(0).connect();
      pass(50);
      instance(1).connect();
      instance(1).respond(200);
      instance(1).handler.instanceBody(whole('hello'));
      expect(instance(0).events).toEqual(['request  whole', 'reset']);
      expect(client.events).toEqual(['begin 200', 'send hello', 'done keep']);
    });

    it('goes on with the other attempt when one fails', () => {
      const { instance, pass, client, run, log } = start({ script: hedging });
      instance(0).connect();
      pass(50);
      instance(1).connect();
      instance(0).handler.instanceLost('upstream_reset', 'something');
      expect(client.events).toEqual([]);
      run.clientGone();
      expect(instance(1).events).toEqual(['request  whole', 'reset']);
      expect(log[0]?.end?.kind).toBe('client_closed');
    });

    it('ends both when the time of the exchange is over', () => {
      const { instance, pass, client } = start({ script: hedging, totalMs: 120 });
      instance(0).connect();
      pass(50);
      instance(1).connect();
      pass(120);
      expect([instance(0).events.at(-1), instance(1).events.at(-1)]).toEqual(['reset', 'reset']);
      expect(client.events.at(0)).toBe('answer 504 keep');
    });
  });

  it('answers 500 once when the exchange throws, and cuts when that throws, too', () => {
    const mistake = (): never => {
      throw new Error('a mistake');
    };
    const { client, instance, faults } = start({ script: { responded: mistake } });
    instance(0).connect();
    expect(() => {
      instance(0).respond(200);
    }).toThrow('a mistake');
    instance(0).handler.faulted(new Error('a mistake'));
    expect(client.events).toEqual(['answer 500 close', 'done close']);
    expect(faults).toHaveLength(1);
  });
});
