import { expect, it } from 'vitest';

import type { ContractSubject } from './registry.contract.ts';

export function kvContract({ http, name }: ContractSubject): void {
  it('gives back a value in base64, with its indexes', async () => {
    expect((await http().put(`/kv/${name()}/a`, 'hello')).json).toBe(true);
    const answer = await http().get(`/kv/${name()}/a`);
    expect(answer.json).toEqual([
      {
        LockIndex: 0,
        Key: `${name()}/a`,
        Flags: 0,
        Value: Buffer.from('hello').toString('base64'),
        CreateIndex: answer.index,
        ModifyIndex: answer.index,
      },
    ]);
  });

  it('gives an empty value back as null', async () => {
    await http().put(`/kv/${name()}`, '');
    expect((await http().get(`/kv/${name()}`)).json).toMatchObject([{ Value: null }]);
  });

  it('answers 404 with an index and without a body for what is not there', async () => {
    for (const query of ['', '?recurse']) {
      const answer = await http().get(`/kv/${name()}-nobody${query}`);
      expect(answer).toMatchObject({ status: 404, text: '' });
      expect(answer.index).toBeGreaterThan(0);
    }
  });

  it('lists the keys of a prefix in order', async () => {
    for (const key of ['b/1', 'a', 'b/2']) await http().put(`/kv/${name()}/${key}`, key);
    const found = (await http().get(`/kv/${name()}/?recurse`)).json as { Key: string }[];
    expect(found.map(({ Key }) => Key)).toEqual(['a', 'b/1', 'b/2'].map((key) => `${name()}/${key}`));
  });

  it('deletes a key, and calls it done when nothing was there', async () => {
    await http().put(`/kv/${name()}/a`, 'a');
    expect((await http().delete(`/kv/${name()}/a`)).json).toBe(true);
    expect((await http().delete(`/kv/${name()}/a`)).json).toBe(true);
    expect((await http().get(`/kv/${name()}/?recurse`)).status).toBe(404);
  });

  it('blocks on a key and on a prefix until they change', async () => {
    const { index } = await http().get(`/kv/${name()}/a`);
    const created = http().get(`/kv/${name()}/a?index=${index}&wait=10s`);
    const inPrefix = http().get(`/kv/${name()}/?recurse&index=${index}&wait=10s`);
    await http().put(`/kv/${name()}/a`, '1');
    const answer = await created;
    expect(answer.tookMs).toBeLessThan(5_000);
    expect(answer.json).toMatchObject([{ Key: `${name()}/a` }]);
    expect((await inPrefix).json).toHaveLength(1);
    const blocked = http().get(`/kv/${name()}/a?index=${answer.index}&wait=400ms`);
    await http().put(`/kv/${name()}/b`, '1');
    await http().put(`/kv/${name()}/a`, '1');
    expect((await blocked).index).toBe(answer.index);
    const gone = http().get(`/kv/${name()}/a?index=${answer.index}&wait=10s`);
    await http().delete(`/kv/${name()}/a`);
    expect(await gone).toMatchObject({ status: 404 });
  });

  it('refuses a value above 512 KiB and a write without a key', async () => {
    const answer = await http().put(`/kv/${name()}`, 'x'.repeat(512 * 1024 + 1));
    expect(answer.status).toBe(413);
    expect(await http().put('/kv/', 'x')).toMatchObject({ status: 400, text: 'Missing key name' });
  });
}
