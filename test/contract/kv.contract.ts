import { expect, it } from 'vitest';

import type { ContractSubject } from './registry.contract.ts';

export function kvContract({ http, name }: ContractSubject): void {
  it('gives back a value in base64, with flags and indexes', async () => {
    expect((await http().put(`/kv/${name()}/a?flags=42`, 'hello')).json).toBe(true);
    const answer = await http().get(`/kv/${name()}/a`);
    expect(answer.json).toEqual([
      {
        LockIndex: 0,
        Key: `${name()}/a`,
        Flags: 42,
        Value: Buffer.from('hello').toString('base64'),
        CreateIndex: answer.index,
        ModifyIndex: answer.index,
      },
    ]);
  });

  it('gives a raw value back as it is', async () => {
    await http().put(`/kv/${name()}`, 'héllo');
    const answer = await http().get(`/kv/${name()}?raw`);
    expect(answer).toMatchObject({ status: 200, text: 'héllo' });
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain/);
  });

  it('gives an empty value back as null', async () => {
    await http().put(`/kv/${name()}`, '');
    expect((await http().get(`/kv/${name()}`)).json).toMatchObject([{ Value: null }]);
  });

  it('answers 404 with an index and without a body for what is not there', async () => {
    for (const query of ['', '?raw', '?recurse', '?keys']) {
      const answer = await http().get(`/kv/${name()}-nobody${query}`);
      expect(answer).toMatchObject({ status: 404, text: '' });
      expect(answer.index).toBeGreaterThan(0);
    }
  });

  it('lists a tree, its keys, and its keys up to a separator', async () => {
    for (const key of ['b/1', 'a', 'b/2']) await http().put(`/kv/${name()}/${key}`, key);
    const tree = (await http().get(`/kv/${name()}/?recurse`)).json as { Key: string }[];
    expect(tree.map(({ Key }) => Key)).toEqual(['a', 'b/1', 'b/2'].map((key) => `${name()}/${key}`));
    expect((await http().get(`/kv/${name()}/?keys`)).json).toHaveLength(3);
    const level = await http().get(`/kv/${name()}/?keys&separator=/`);
    expect(level.json).toEqual([`${name()}/a`, `${name()}/b/`]);
  });

  it('writes and deletes under compare-and-set only when the index is right', async () => {
    const put = async (cas: number): Promise<unknown> =>
      (await http().put(`/kv/${name()}?cas=${cas}`, String(cas))).json;
    expect(await put(0)).toBe(true);
    expect(await put(0)).toBe(false);
    const { index } = await http().get(`/kv/${name()}`);
    expect(await put(index + 1)).toBe(false);
    expect(await put(index)).toBe(true);
    const newer = (await http().get(`/kv/${name()}`)).index;
    expect((await http().delete(`/kv/${name()}?cas=${index}`)).json).toBe(false);
    expect((await http().delete(`/kv/${name()}?cas=${newer}`)).json).toBe(true);
  });

  it('deletes a key or a tree, and calls it done when nothing was there', async () => {
    for (const key of ['a', 'b/1', 'b/2']) await http().put(`/kv/${name()}/${key}`, key);
    expect((await http().delete(`/kv/${name()}/a`)).json).toBe(true);
    expect((await http().delete(`/kv/${name()}/a`)).json).toBe(true);
    expect((await http().delete(`/kv/${name()}/b?recurse`)).json).toBe(true);
    expect((await http().get(`/kv/${name()}/?recurse`)).status).toBe(404);
  });

  it('blocks on a key and on a tree until they change', async () => {
    const { index } = await http().get(`/kv/${name()}/a`);
    const created = http().get(`/kv/${name()}/a?index=${index}&wait=10s`);
    const inTree = http().get(`/kv/${name()}/?recurse&index=${index}&wait=10s`);
    await http().put(`/kv/${name()}/a`, '1');
    const answer = await created;
    expect(answer.tookMs).toBeLessThan(5_000);
    expect(answer.json).toMatchObject([{ Key: `${name()}/a` }]);
    expect((await inTree).json).toHaveLength(1);
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
