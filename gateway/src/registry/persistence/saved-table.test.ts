import { execFile } from 'node:child_process';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { type Instance, type Snapshot } from '@roundhouse/agent-sdk/internal';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { instance as anInstance } from '../../../../test/kit/builders.ts';
import { eventually } from '../../../../test/kit/eventually.ts';
import { formatSavedTable, readSavedTable, type SavedTable } from './saved-table-format.ts';
import { loadSavedTable, removeLeftovers, writeSavedTable } from './saved-table.ts';
import { createTableSaver } from './table-saver.ts';

let folder = '';
let path = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'saved-table-'));
  path = join(folder, 'table.json');
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const instance = (id: string, more: Partial<Instance> = {}): Instance =>
  anInstance(id, {
    cluster: 'dc',
    node: 'n1',
    address: '10.0.0.4',
    port: 4000 + id.charCodeAt(0) - 97,
    ...more,
  });

const snapshot = (...instances: Instance[]): Snapshot => ({
  service: 'api',
  index: '7',
  instances,
  quarantined: [],
  held: [],
});

const table: SavedTable = {
  catalog: { index: '9', services: { api: ['urlprefix-/shop'], consul: [] } },
  snapshots: [
    snapshot(
      instance('a', { tags: ['urlprefix-/shop'], meta: { version: '2' }, weight: 3, createIndex: 5 }),
      instance('b', { status: 'warning', weight: 2 }),
      instance('c', { status: 'critical' }),
      instance('d', { status: 'draining', address: 'fd00::4' }),
      instance('e', { meta: { weight: '9' }, weight: 9 }),
    ),
  ],
  routes: [
    {
      route: {
        host: undefined,
        prefix: '/shop',
        service: 'api',
        strip: undefined,
        tag: 'urlprefix-/shop',
        timeouts: {},
        source: 'registry',
      },
      served: false,
      idleForMs: 250,
    },
    {
      route: {
        host: undefined,
        prefix: '/api',
        service: 'api-service',
        strip: '/api',
        tag: undefined,
        timeouts: {},
        source: 'default',
      },
      served: true,
      idleForMs: 7,
    },
  ],
};

const textOf = (saved: SavedTable): string => [...formatSavedTable(saved, 1234)].join('');

describe('a saved table', () => {
  it('is read as it was written', () => {
    expect(readSavedTable(textOf(table))).toEqual({ kind: 'table', table, savedAtMs: 1234, leftOut: 0 });
  });

  it('of an older gateway is read: its owners have served', () => {
    const text = textOf(table).replace(',"served":false,"idleForMs":250', '');
    expect(text).toContain('{"service":"api","tag":"urlprefix-/shop"}');
    const [saved] = table.routes;
    expect(readSavedTable(text)).toMatchObject({
      leftOut: 0,
      table: { routes: [{ route: saved!.route, served: true, idleForMs: 0 }, {}] },
    });
  });

  it('loses the routes of another prefix of tags', () => {
    expect(readSavedTable(textOf(table), 'public-')).toMatchObject({ leftOut: 2, table: { routes: [] } });
    const own = textOf(table).replaceAll('urlprefix-/shop', 'public-/shop');
    expect(readSavedTable(own, 'public-')).toMatchObject({
      leftOut: 1,
      table: { routes: [{ route: { prefix: '/shop', tag: 'public-/shop' } }] },
    });
  });

  it('can be empty', () => {
    const empty = { catalog: { index: '0', services: {} }, snapshots: [], routes: [] };
    expect(readSavedTable(textOf(empty))).toMatchObject({ kind: 'table', table: empty });
  });

  it('loses what is wrong in it, and nothing else', () => {
    const text = textOf(table)
      .replace('"Port":4000', '"Port":70000')
      .replace('"Address":"fd00::4","Port"', '"Address":"http://x","Port"')
      .replace('"tag":"urlprefix-/shop"', '"tag":"urlprefix-nonsense"');
    const reading = readSavedTable(text);
    expect(reading).toMatchObject({ kind: 'table', leftOut: 3, table: { routes: [{ served: true }] } });
    if (reading.kind === 'table')
      expect(reading.table.snapshots[0]?.instances.map(({ id }) => id)).toEqual(['b', 'c', 'e']);
  });

  it.each([
    ['nothing', ''],
    ['a text that was cut off', textOf(table).slice(0, -20)],
    ['a list', '[]'],
    ['another version', textOf(table).replace('"version":1', '"version":2')],
    ['no services', '{"version":1,"savedAtMs":1,"catalog":{"index":"1","services":{}},"routes":[]}'],
    ['no catalog', '{"version":1,"savedAtMs":1,"routes":[],"services":[]}'],
  ])('is refused as a whole when it is %s', (_title, text) => {
    expect(readSavedTable(text).kind).toBe('invalid');
  });

  it('never breaks whoever reads it, whatever is in the file', () => {
    const text = textOf(table);
    fc.assert(
      fc.property(fc.nat(text.length), fc.nat(20), fc.string({ maxLength: 5 }), (at, cut, more) => {
        const reading = readSavedTable(text.slice(0, at) + more + text.slice(at + cut));
        if (reading.kind === 'invalid') return;
        for (const { instances } of reading.table.snapshots)
          for (const { port } of instances) expect(port).toBeGreaterThan(0);
      }),
    );
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(['table', 'invalid']).toContain(readSavedTable(json).kind);
      }),
    );
  });
});

describe('the file of a saved table', () => {
  it('is replaced whole, and leaves nothing beside it', async () => {
    await writeSavedTable(path, table, 1);
    await writeSavedTable(path, { ...table, snapshots: [] }, 2);
    expect(await loadSavedTable(path)).toMatchObject({
      kind: 'table',
      savedAtMs: 2,
      table: { snapshots: [] },
    });
    expect(await readdir(folder)).toEqual(['table.json']);
  });

  it('can be absent, broken or unreadable', async () => {
    expect(await loadSavedTable(path)).toEqual({ kind: 'absent' });
    await writeFile(path, '{');
    expect(await loadSavedTable(path)).toMatchObject({ kind: 'invalid' });
    await writeFile(join(folder, 'secret'), 'x', { mode: 0o000 });
    expect((await loadSavedTable(join(folder, 'secret'))).kind).toBe('invalid');
  });

  it.each(['a FIFO', 'a folder', 'a device'])('is neither read nor replaced when it is %s', async (kind) => {
    if (kind === 'a FIFO') await promisify(execFile)('mkfifo', [path]);
    if (kind === 'a folder') await mkdir(path);
    if (kind === 'a device') await symlink('/dev/zero', path);
    const before = await lstat(path);
    const problem = 'it is not a regular file';
    expect(await loadSavedTable(path)).toEqual({ kind: 'invalid', problem });
    await expect(writeSavedTable(path, table, 1)).rejects.toThrow(problem);
    expect((await lstat(path)).ino).toBe(before.ino);
    expect(await readdir(folder)).toEqual(['table.json']);
  });

  it('loses what killed writes have left beside it, and nothing else', async () => {
    await writeSavedTable(path, table, 1);
    const kept = ['other.json.0d2c4f1e-4b8a-4a7e-9a1d-0a0b0c0d0e0f.tmp', 'table.json.bak', 'table.json.tmp'];
    const left = ['table.json.0d2c4f1e-4b8a-4a7e-9a1d-0a0b0c0d0e0f.tmp'];
    for (const name of [...kept, ...left]) await writeFile(join(folder, name), '{"version":1');
    await removeLeftovers(path);
    expect((await readdir(folder)).sort()).toEqual([...kept, 'table.json'].sort());
    await removeLeftovers(join(folder, 'no-such-folder', 'table.json'));
  });

  it('keeps the old table when the new one can’t be written', async () => {
    await writeSavedTable(path, table, 1);
    const missing = join(folder, 'no-such-folder', 'table.json');
    await expect(writeSavedTable(missing, table, 2)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await loadSavedTable(path)).toMatchObject({ savedAtMs: 1 });
    await chmod(folder, 0o700);
  });
});

describe('createTableSaver', () => {
  /** A saver that has read what was there. */
  async function saverOf(savable: () => SavedTable | undefined, at = path) {
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    const saver = createTableSaver(
      { savable, adopt: () => undefined },
      { path: at, log: { info: log, warn: log }, wallClock: () => 5, intervalMs: 1 },
    );
    await saver.adopt();
    return { saver, lines };
  }

  it('writes after a change, once for many', async () => {
    let looks = 0;
    const { saver } = await saverOf(() => {
      looks += 1;
      return table;
    });
    for (let i = 0; i < 100; i += 1) saver.changed();
    await eventually(async () => {
      expect(await loadSavedTable(path)).toMatchObject({ kind: 'table', savedAtMs: 5 });
    });
    await saver.stop();
    expect(looks).toBeLessThan(5);
  });

  it('never lets a table that is not good replace one that is', async () => {
    await writeSavedTable(path, table, 1);
    const { saver } = await saverOf(() => undefined);
    saver.changed();
    await saver.stop();
    expect(await loadSavedTable(path)).toMatchObject({ savedAtMs: 1 });
  });

  it('writes what is good when it stops, and nothing after that', async () => {
    const { saver } = await saverOf(() => table);
    saver.changed();
    await saver.stop();
    const text = await readFile(path, 'utf8');
    expect(text).toContain('"savedAtMs":5');
    await rm(path);
    saver.changed();
    await saver.stop();
    expect(await loadSavedTable(path)).toEqual({ kind: 'absent' });
  });

  it('says once that the file can’t be written, and once that it can again', async () => {
    const at = join(folder, 'later', 'table.json');
    const { saver, lines } = await saverOf(() => table, at);
    saver.changed();
    await eventually(() => {
      expect(lines).toHaveLength(1);
    });
    saver.changed();
    expect(lines[0]).toContain('ENOENT');
    await import('node:fs/promises').then(({ mkdir }) => mkdir(join(folder, 'later')));
    await eventually(() => {
      saver.changed();
      expect(lines).toEqual([lines[0], 'The table is saved again.']);
    });
    await saver.stop();
  });
});
