import { execFile } from 'node:child_process';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { repositoryRoot } from '../kit/processes.ts';

/** A package as `npm pack` made it. */
export interface Packed {
  readonly name: string;
  readonly version: string;
  /** The tarball. */
  readonly path: string;
  /** Its paths inside of the package. */
  readonly files: readonly string[];
  /** Its package.json. */
  readonly manifest: Readonly<Record<string, unknown>>;
  /** The text of one of its files. */
  read(file: string): Promise<string>;
}

const run = promisify(execFile);
const maxBuffer = 64 * 2 ** 20;

/** Packs both packages in a copy of this tree that has nothing but what git would have: no node_modules, no dist. */
export async function packFromCleanClone(folder: string): Promise<readonly Packed[]> {
  const clone = join(folder, 'clone');
  const listed = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: repositoryRoot,
    maxBuffer,
  });
  const deleted = await run('git', ['ls-files', '-z', '--deleted'], { cwd: repositoryRoot, maxBuffer });
  const gone = new Set(deleted.stdout.split('\0'));
  for (const file of listed.stdout.split('\0').filter((name) => name !== '' && !gone.has(name))) {
    await mkdir(dirname(join(clone, file)), { recursive: true });
    await cp(join(repositoryRoot, file), join(clone, file));
  }
  const { stdout } = await run(
    'npm',
    ['pack', '--json', '-w', 'agent-sdk', '-w', 'gateway', '--pack-destination', folder],
    { cwd: clone, maxBuffer },
  );
  const packed = JSON.parse(stdout) as {
    name: string;
    version: string;
    filename: string;
    files: { path: string }[];
  }[];
  return Promise.all(
    packed.map(async ({ name, version, filename, files }) => {
      const path = join(folder, filename);
      const read = async (file: string) =>
        (await run('tar', ['-xzOf', path, `package/${file}`], { maxBuffer })).stdout;
      const manifest = JSON.parse(await read('package.json')) as Record<string, unknown>;
      return { name, version, path, files: files.map((file) => file.path), manifest, read };
    }),
  );
}

/** Source maps of an unpacked package that do not hold their sources, or are named by no file. */
export async function brokenMaps(root: string, files: readonly string[]): Promise<readonly string[]> {
  const broken: string[] = [];
  for (const file of files.filter((name) => name.endsWith('.js'))) {
    const [, map] = /\n\/\/# sourceMappingURL=(.+)$/.exec(await readFile(join(root, file), 'utf8')) ?? [];
    if (map === undefined) continue;
    const path = join(root, dirname(file), map);
    const { sources, sourcesContent = [] } = JSON.parse(await readFile(path, 'utf8')) as {
      sources: string[];
      sourcesContent?: (string | null)[];
    };
    if (sources.some((_, i) => typeof sourcesContent[i] !== 'string')) broken.push(file);
  }
  return broken;
}
