import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it, onTestFinished } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import { isMounted, watchFile } from './file-watch.ts';

/** Polls too rarely to help, unless the test says otherwise. */
async function setUp(prepare: (folder: string) => Promise<string>, pollMs = 3_600_000) {
  const folder = await mkdtemp(join(tmpdir(), 'roundhouse-watch-'));
  const path = await prepare(folder);
  const seen: string[] = [];
  const end = new AbortController();
  const watching = watchFile(path, end.signal, {
    changed: () => {
      seen.push(statSync(path).isFile() ? readFileSync(path, 'utf8') : 'no file');
      return Promise.resolve();
    },
    onlyPolled: () => undefined,
    pollMs,
    settleMs: 20,
  });
  onTestFinished(async () => {
    end.abort();
    await watching;
    await rm(folder, { recursive: true });
  });
  const sees = (text: string): Promise<void> =>
    eventually(() => {
      expect(seen.at(-1)).toBe(text);
    });
  await sees('1');
  return { folder, path, seen, sees };
}

async function plainFile(folder: string): Promise<string> {
  await writeFile(join(folder, 'gateway.yaml'), '1');
  return join(folder, 'gateway.yaml');
}

it('sees a file that is written in place, again and again', async () => {
  const { path, sees } = await setUp(plainFile);
  for (const text of ['2', '3', '33']) {
    await writeFile(path, text);
    await sees(text);
  }
});

it("sees an editor's save: written elsewhere, renamed over", async () => {
  const { folder, path, sees } = await setUp(plainFile);
  for (const text of ['2', '3']) {
    await writeFile(join(folder, '.gateway.yaml.swp'), text);
    await rename(join(folder, '.gateway.yaml.swp'), path);
    await sees(text);
  }
});

it('sees a file that is deleted and made again', async () => {
  const { path, sees } = await setUp(plainFile);
  await unlink(path);
  await writeFile(path, '2');
  await sees('2');
});

it('sees a symlink that is swapped, and its target that is written', async () => {
  const { folder, path, sees } = await setUp(async (folder) => {
    await mkdir(join(folder, 'targets'));
    await writeFile(join(folder, 'targets', 'a'), '1');
    await writeFile(join(folder, 'targets', 'b'), '2');
    await symlink('targets/a', join(folder, 'gateway.yaml'));
    return join(folder, 'gateway.yaml');
  });
  await symlink('targets/b', join(folder, 'next'));
  await rename(join(folder, 'next'), path);
  await sees('2');
  await writeFile(join(folder, 'targets', 'b'), '3');
  await sees('3');
});

it("sees Kubernetes' swap of ..data, and of a directory above", async () => {
  const { folder, sees } = await setUp(async (folder) => {
    const volume = join(folder, 'volume');
    for (const [name, text] of [
      ['..1', '1'],
      ['..2', '2'],
    ] as const) {
      await mkdir(join(volume, name), { recursive: true });
      await writeFile(join(volume, name, 'gateway.yaml'), text);
    }
    await symlink('..1', join(volume, '..data'));
    await symlink('..data/gateway.yaml', join(volume, 'gateway.yaml'));
    await symlink('volume', join(folder, 'current'));
    return join(folder, 'current', 'gateway.yaml');
  });
  await symlink('..2', join(folder, 'volume', '..data_tmp'));
  await rename(join(folder, 'volume', '..data_tmp'), join(folder, 'volume', '..data'));
  await rm(join(folder, 'volume', '..1'), { recursive: true });
  await sees('2');
  await mkdir(join(folder, 'other'));
  await writeFile(join(folder, 'other', 'gateway.yaml'), '3');
  await symlink('other', join(folder, 'next'));
  await rename(join(folder, 'next'), join(folder, 'current'));
  await sees('3');
});

it('sees by the poll what no event tells: a directory that is made again above the file', async () => {
  const { folder, path, sees } = await setUp(async (folder) => {
    await mkdir(join(folder, 'deep', 'er'), { recursive: true });
    return plainFile(join(folder, 'deep', 'er'));
  }, 10);
  await rename(join(folder, 'deep'), join(folder, 'old'));
  await mkdir(join(folder, 'deep', 'er'), { recursive: true });
  await writeFile(path, '2');
  await sees('2');
});

it('says nothing when a file is only touched, and knows a mount', async () => {
  const { path, seen, sees } = await setUp(plainFile);
  await writeFile(path, '1');
  await writeFile(path, '2');
  await sees('2');
  expect(seen).toEqual(['1', '2']);
  expect(await isMounted(path)).toBe(false);
  expect(await isMounted(`${path}.absent`)).toBe(false);
  if (process.platform === 'linux') expect(await isMounted('/proc')).toBe(true);
});

it('does not open a FIFO that takes the place of the file', async () => {
  const { folder, path, sees } = await setUp(plainFile);
  execFileSync('mkfifo', [join(folder, 'fifo')]);
  await rename(join(folder, 'fifo'), path);
  await sees('no file');
  await writeFile(join(folder, 'next'), '2');
  await rename(join(folder, 'next'), path);
  await sees('2');
});
