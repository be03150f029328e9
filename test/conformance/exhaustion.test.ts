import { describe, expect, it } from 'vitest';

import type { EngineOptions } from '../../gateway/src/listeners/engine.ts';
import { endpointAt } from '../kit/builders.ts';
import { eventually } from '../kit/eventually.ts';
import { rawExchange } from '../kit/raw-client.ts';
import { ok } from '../kit/recording-origin.ts';
import { openClient, startEngine, startOrigin } from './fixtures.ts';
import { engineNames, type SubjectOptions } from './subject.ts';
import { message } from './trial.ts';

/** What the gateway itself runs out of: it is told apart from what instances do. */

const get = (path: string): string => message(`GET ${path}`, []);

/** Resolution that fails for want of something of the gateway's own. */
const failing =
  (code: string): EngineOptions['lookup'] =>
  (_host, _options, done) => {
    done(Object.assign(new Error(code), { code }), '');
  };

/** Two origins; `/a…` goes to the first, everything else to the second. */
async function twoOrigins() {
  const origins = [await startOrigin(), await startOrigin()] as const;
  const endpoints = origins.map(({ port }) => endpointAt(port));
  const script: SubjectOptions['script'] = {
    begin: ({ target }, attempt) => {
      const endpoint = endpoints[target.startsWith('/a') ? 0 : 1];
      return endpoint === undefined ? undefined : attempt({ endpoint });
    },
    failed: () => undefined,
  };
  return { origins, options: { endpoints, script } };
}

describe.each(engineNames)('exhaustion through the %s engine', (engine) => {
  it.each(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL'])(
    'calls %s its own trouble, not the instance’s',
    async (code) => {
      const nowhere = endpointAt(1);
      const endpoints = [{ ...nowhere, instance: { ...nowhere.instance, address: 'origin.test' } }];
      const { port, exchanges } = await startEngine(engine, [], { endpoints, lookup: failing(code) });
      expect((await rawExchange(port, get('/'))).status).toBe(503);
      expect(exchanges.log[0]?.failures).toEqual([
        { code: 'exhausted', sent: 'nothing', connection: 'fresh' },
      ]);
    },
  );

  it('gives up an idle connection to one instance for a new one to another', async () => {
    const { origins, options } = await twoOrigins();
    const { port } = await startEngine(engine, [], { ...options, maxUpstreamConnections: 1 });
    for (const path of ['/a', '/b', '/a']) expect((await rawExchange(port, get(path))).status).toBe(200);
    await eventually(() => {
      expect(origins.map((origin) => origin.open())).toEqual([1, 0]);
    });
  });

  it('answers 503 when all connections to instances are in use, and goes on when one is free', async () => {
    const origin = await startOrigin({});
    const { port, exchanges } = await startEngine(engine, [origin.port], { maxUpstreamConnections: 1 });
    const client = await openClient(port);
    client.send(get('/'));
    await eventually(() => {
      expect(origin.requests()).toHaveLength(1);
    });
    expect((await rawExchange(port, get('/'))).status).toBe(503);
    expect(exchanges.log[1]?.failures).toEqual([{ code: 'exhausted', sent: 'nothing', connection: 'fresh' }]);
    origin.play({ request: () => ok() });
    origin.connections[0]?.write(ok());
    expect((await client.response()).status).toBe(200);
    expect((await rawExchange(port, get('/'))).status).toBe(200);
  });
});
