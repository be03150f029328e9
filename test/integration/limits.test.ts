import http from 'node:http';

import { describe, expect, it, onTestFinished } from 'vitest';

import { defaults } from '../../gateway/src/config/defaults.ts';
import { eventually } from '../kit/eventually.ts';
import { holding, startFleet, type Fleet } from '../kit/fleet.ts';
import { get } from '../kit/load.ts';
import type { TestConfig } from '../kit/start-gateway.ts';

async function fleetWith(config: TestConfig): Promise<Fleet> {
  const fleet = await startFleet(config);
  onTestFinished(() => fleet[Symbol.asyncDispose]());
  return fleet;
}

/** An instance `a` that keeps every answer back; the paths it was asked for, in order, and the answers that it owes. */
async function heldInstance(fleet: Fleet) {
  const paths: string[] = [];
  const { handler, held } = holding();
  const instance = await fleet.join('a');
  instance.answer((request, response) => {
    paths.push(request.url ?? '');
    handler(request, response);
  });
  return { instance, paths, held };
}

const queued = (fleet: Fleet, count: number): Promise<void> =>
  eventually(async () => {
    expect((await fleet.service()).queued).toBe(count);
  });

/** Status, `code` of the problem and `Retry-After`. */
async function refusal(url: string): Promise<readonly unknown[]> {
  const response = await fetch(url);
  const { code } = (await response.json()) as { code: string };
  return [response.status, code, response.headers.get('retry-after')];
}

describe.each(['http-proxy', 'wire'] as const)('limits through the %s engine', (engine) => {
  it('makes requests wait their turn when an instance is at maxConnections', async () => {
    const fleet = await fleetWith({ engine, maxConnections: 1, queue: { limit: 10, timeoutMs: 30_000 } });
    const { paths, held } = await heldInstance(fleet);
    const answers: Promise<{ status: number; body: string }>[] = [];
    for (let turn = 0; turn < 5; turn += 1) {
      answers.push(get(`${fleet.gateway.url}/${turn}`));
      await queued(fleet, turn);
      // The first is not in the queue, so that only its coming tells that it is there.
      if (turn === 0) {
        await eventually(() => {
          expect(paths).toEqual(['/0']);
        });
      }
    }
    for (let turn = 0; turn < 5; turn += 1) {
      await eventually(() => {
        expect(held).toHaveLength(turn + 1);
      });
      held[turn]?.end(`answer ${turn}`);
    }
    expect((await Promise.all(answers)).map(({ status, body }) => [status, body])).toEqual(
      [0, 1, 2, 3, 4].map((turn) => [200, `answer ${turn}`]),
    );
    expect(paths).toEqual(['/0', '/1', '/2', '/3', '/4']);
  });

  it('answers 503 with Retry-After when the wait is over, or the queue is full', async () => {
    const fleet = await fleetWith({ engine, maxConnections: 1, queue: { limit: 1, timeoutMs: 1_000 } });
    const { paths, held } = await heldInstance(fleet);
    const first = get(`${fleet.gateway.url}/first`);
    await eventually(() => {
      expect(paths).toEqual(['/first']);
    });
    const startedMs = performance.now();
    const waits = refusal(`${fleet.gateway.url}/waits`);
    await queued(fleet, 1);
    expect(await refusal(`${fleet.gateway.url}/beyond`)).toEqual([503, 'overloaded', '1']);
    expect(await waits).toEqual([503, 'queue_timeout', '1']);
    expect(performance.now() - startedMs).toBeGreaterThan(950);
    held[0]?.end();
    await first;
    expect(paths).toEqual(['/first']);
  });

  it('gives the place of a client that leaves to the next', async () => {
    const fleet = await fleetWith({ engine, maxConnections: 1, queue: { limit: 10, timeoutMs: 30_000 } });
    const { paths, held } = await heldInstance(fleet);
    const first = get(`${fleet.gateway.url}/first`);
    await eventually(() => {
      expect(paths).toEqual(['/first']);
    });
    const leaving = http.get(`${fleet.gateway.url}/leaves`, { agent: false }).on('error', () => undefined);
    await queued(fleet, 1);
    const next = get(`${fleet.gateway.url}/next`);
    await queued(fleet, 2);
    leaving.socket?.resetAndDestroy();
    await queued(fleet, 1);
    held[0]?.end();
    await eventually(() => {
      expect(paths).toEqual(['/first', '/next']);
    });
    held[1]?.end('well');
    expect([(await first).status, await next]).toEqual([200, { status: 200, body: 'well' }]);
    const [row] = (await fleet.service()).instances;
    expect(row).toMatchObject({ inFlight: 0, total: 2 });
  });

  it('serves who waits when a new instance comes', async () => {
    const fleet = await fleetWith({ engine, maxConnections: 1, queue: { limit: 10, timeoutMs: 30_000 } });
    const { paths, held } = await heldInstance(fleet);
    const first = get(`${fleet.gateway.url}/first`);
    await eventually(() => {
      expect(paths).toEqual(['/first']);
    });
    const waits = get(`${fleet.gateway.url}/waits`);
    await queued(fleet, 1);
    await fleet.join('b');
    expect(await waits).toEqual({ status: 200, body: 'b' });
    held[0]?.end();
    await first;
  });

  it('sheds what is beyond maxRequests at once', async () => {
    const fleet = await fleetWith({ engine, maxRequests: 2 });
    const { held, instance } = await heldInstance(fleet);
    const two = [get(`${fleet.gateway.url}/1`), get(`${fleet.gateway.url}/2`)];
    await eventually(() => {
      expect(held).toHaveLength(2);
    });
    expect(await refusal(`${fleet.gateway.url}/3`)).toEqual([503, 'overloaded', '1']);
    expect(instance.requests).toBe(2);
    for (const response of held) response.end();
    expect((await Promise.all(two)).map(({ status }) => status)).toEqual([200, 200]);
    instance.answer(undefined);
    expect(await fleet.ask(3)).toEqual(['a', 'a', 'a']);
  });

  it('repeats nothing beyond maxRetries retries under way', async () => {
    const ejection = { ...defaults.ejection, consecutiveFailures: 1_000 };
    const fleet = await fleetWith({ engine, maxRetries: 1, ejection });
    const { handler, held } = holding();
    const broken = await fleet.join('broken');
    broken.answer((request) => request.socket.destroy());
    // Only a retry comes to the backup, as the primary is never left out.
    const backup = await fleet.join('spare', { tags: ['backup'] });
    backup.answer(handler);
    const first = get(`${fleet.gateway.url}/`);
    await eventually(() => {
      expect(held).toHaveLength(1);
    });
    expect(await refusal(`${fleet.gateway.url}/`)).toEqual([502, 'upstream_reset', null]);
    held[0]?.end('late');
    expect(await first).toEqual({ status: 200, body: 'late' });
    backup.answer(undefined);
    expect(await fleet.ask(2)).toEqual(['spare', 'spare']);
  });
});
