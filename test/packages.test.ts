import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const manifest = (folder: string) =>
  JSON.parse(read(`${folder}/package.json`)) as {
    version: string;
    license: string;
    engines: object;
    dependencies?: Record<string, string>;
  };
const packages = ['agent-sdk', 'gateway', 'services/api', 'services/webapp'];

it.each(packages)('%s has the version, licence and engines of the whole', (folder) => {
  const { version, license, engines } = manifest('.');
  const own = manifest(folder);
  expect(own).toMatchObject({ version, license, engines });
  expect(own.dependencies?.['@roundhouse/agent-sdk'] ?? version).toBe(version);
});

it('the images have the version of the whole', () => {
  expect(read('deploy/docker/Dockerfile')).toContain(`\nARG VERSION=${manifest('.').version}\n`);
});

it.each(['agent-sdk', 'gateway'])('%s holds the licence', (folder) => {
  expect(read(`${folder}/LICENSE`)).toBe(read('LICENSE'));
});

it.each(['README.md', 'agent-sdk/README.md', 'gateway/README.md', 'docs/operations.md'])(
  '%s names no npm package that is not ours',
  (page) => {
    expect(read(page)).not.toMatch(/(npx|npm (i|install)) (-\S+ )*roundhouse/);
  },
);
