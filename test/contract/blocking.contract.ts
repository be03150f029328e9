import { expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import type { Answer } from './http-call.ts';
import type { ContractSubject } from './registry.contract.ts';

/** A change shows well within this; far below the 10 s that the queries here would wait. */
const soonMs = 1_000;

export function blockingContract({ http, name }: ContractSubject): void {
  const health = (query = ''): Promise<Answer> => http().get(`/health/service/${name()}${query}`);
  const register = async (extra: object = {}): Promise<number> => {
    await http().put('/agent/service/register', { Name: name(), ...extra });
    return eventually(async () => {
      const answer = await health();
      expect(answer.json).toHaveLength(1);
      return answer.index;
    });
  };
  /** Blocks, makes a change once the query must have arrived, and says how long the answer took after the change. */
  const wakeUp = async (path: string, change: () => Promise<unknown>): Promise<Answer> => {
    const blocked = http().get(path);
    const first = await Promise.race([
      blocked,
      http().get(`/health/service/${name()}-x?index=9999999&wait=100ms`),
    ]);
    expect(first.tookMs).toBeGreaterThan(90);
    const changedMs = performance.now();
    await change();
    const answer = await blocked;
    expect(performance.now() - changedMs).toBeLessThan(soonMs);
    return answer;
  };

  it('returns at once without an index, with 0, and with an older one', async () => {
    const index = await register();
    for (const query of ['', '?wait=10s', '?index=0&wait=10s', `?index=${index - 1}&wait=10s`]) {
      const answer = await health(query);
      expect(answer.tookMs).toBeLessThan(soonMs);
      expect(answer.index).toBe(index);
    }
  });

  it('returns the same content after wait, and a sixteenth of it at most, when nothing changes', async () => {
    const index = await register();
    const answer = await health(`?index=${index}&wait=500ms`);
    expect(answer.tookMs).toBeGreaterThan(490);
    expect(answer.tookMs).toBeLessThan(1_500);
    expect(answer.index).toBe(index);
    expect(answer.json).toHaveLength(1);
  });

  it('waits out an index from the future and answers with the true one', async () => {
    const index = await register();
    const answer = await health(`?index=${index + 100_000}&wait=300ms`);
    expect(answer.tookMs).toBeGreaterThan(290);
    expect(answer.index).toBe(index);
  });

  it('takes an index above 2^53', async () => {
    await register();
    const answer = await health('?index=9007199254740993000&wait=100ms');
    expect(answer).toMatchObject({ status: 200 });
    expect(answer.tookMs).toBeGreaterThan(90);
  });

  it('wakes when an instance is registered, its check changes, or it is deregistered', async () => {
    const check = { CheckID: `${name()}:ttl`, TTL: '30s' };
    let index = await register({ Check: check });
    const changes: readonly (() => Promise<unknown>)[] = [
      () => http().put('/agent/service/register', { ID: `${name()}-2`, Name: name() }),
      () => http().put(`/agent/check/pass/${name()}:ttl`),
      () => http().put(`/agent/service/maintenance/${name()}?enable=true`),
      () => http().put('/agent/service/register', { Name: name(), Tags: ['new'], Check: check }),
      () => http().put(`/agent/service/deregister/${name()}-2`),
      () => http().put(`/agent/service/deregister/${name()}`),
    ];
    for (const change of changes) {
      const answer = await wakeUp(`/health/service/${name()}?index=${index}&wait=10s`, change);
      expect(answer.index).toBeGreaterThan(index);
      index = answer.index;
    }
    expect((await health()).json).toEqual([]);
  });

  it('blocks on an unknown service, and wakes when it is registered', async () => {
    const before = await health();
    expect(before.json).toEqual([]);
    expect(before.index).toBeGreaterThan(0);
    const quiet = await health(`?index=${before.index}&wait=200ms`);
    expect(quiet.tookMs).toBeGreaterThan(190);
    const answer = await wakeUp(`/health/service/${name()}?index=${quiet.index}&wait=10s`, () =>
      http().put('/agent/service/register', { Name: name() }),
    );
    expect(answer.json).toHaveLength(1);
    expect(answer.index).toBeGreaterThan(quiet.index);
  });

  it('sleeps through the changes of other services', async () => {
    const index = await register();
    const blocked = health(`?index=${index}&wait=500ms`);
    await http().put('/agent/service/register', { Name: `${name()}-b`, Port: 1 });
    await http().put('/agent/service/register', { Name: `${name()}-b`, Port: 2 });
    const answer = await blocked;
    expect(answer.tookMs).toBeGreaterThan(490);
    expect(answer.index).toBe(index);
  });

  it('sleeps through a registration that changes nothing', async () => {
    const index = await register({ Port: 7, Tags: ['a'] });
    const blocked = health(`?index=${index}&wait=500ms`);
    await http().put('/agent/service/register', { Name: name(), Port: 7, Tags: ['a'] });
    expect((await blocked).index).toBe(index);
  });

  it("never lets a service's index go back, not even when its last instance goes", async () => {
    let last = (await health()).index;
    const seen = async (): Promise<void> => {
      const { index } = await health();
      expect(index).toBeGreaterThanOrEqual(last);
      last = index;
    };
    for (let round = 0; round < 3; round++) {
      await register({ Check: { CheckID: `${name()}:ttl`, TTL: '30s' } });
      await seen();
      await http().put(`/agent/check/pass/${name()}:ttl`);
      await seen();
      await http().put(`/agent/service/deregister/${name()}`);
      await eventually(async () => {
        expect((await health()).json).toEqual([]);
      });
      await seen();
    }
  });

  it('wakes watchers of the catalog for services, not for health', async () => {
    await register({ Check: { CheckID: `${name()}:ttl`, TTL: '30s' } });
    let { index } = await http().get('/catalog/services');
    for (const change of [
      () => http().put('/agent/service/register', { Name: `${name()}-b`, Tags: ['a'] }),
      () => http().put('/agent/service/register', { Name: `${name()}-b`, Tags: ['b'] }),
      () => http().put(`/agent/service/deregister/${name()}-b`),
    ]) {
      const answer = await wakeUp(`/catalog/services?index=${index}&wait=10s`, change);
      expect(answer.index).toBeGreaterThan(index);
      ({ index } = answer);
    }
    const blocked = http().get(`/catalog/services?index=${index}&wait=400ms`);
    await http().put(`/agent/check/pass/${name()}:ttl`);
    expect((await blocked).index).toBe(index);
  });
}
