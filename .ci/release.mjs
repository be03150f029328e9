/**
 * A release: `npm run release` checks that one can be made and shows what would be published; it changes nothing.
 * `-- version X.Y.Z` writes a version into every manifest and into the changelog; `-- publish` publishes.
 * Uses nothing but Node, npm and git.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const published = ['agent-sdk', 'gateway'];
const folders = ['', ...published, 'services/api', 'services/webapp'];
const versionPattern = /^\d+\.\d+\.\d+(-[\w.]+)?$/;

const manifestPath = (folder) => join(root, folder, 'package.json');
const manifestOf = (folder) => JSON.parse(readFileSync(manifestPath(folder), 'utf8'));
const changelogPath = join(root, 'CHANGELOG.md');
const output = (command, args) => execFileSync(command, args, { cwd: root, encoding: 'utf8' }).trim();

function run(command, args, cwd) {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')} failed.`);
}

/** Every manifest, the dependencies among them, the lockfile, the images' label, and the heading of the changelog. */
function setVersion(version) {
  if (!versionPattern.test(version ?? '')) fail(`"${version ?? ''}" is no version: 1.2.3 or 1.2.3-beta.1.`);
  for (const folder of folders) {
    const manifest = manifestOf(folder);
    manifest.version = version;
    if (manifest.dependencies?.['@roundhouse/agent-sdk'] !== undefined)
      manifest.dependencies['@roundhouse/agent-sdk'] = version;
    writeFileSync(manifestPath(folder), `${JSON.stringify(manifest, undefined, 2)}\n`);
  }
  const dockerfile = join(root, 'deploy', 'docker', 'Dockerfile');
  writeFileSync(
    dockerfile,
    readFileSync(dockerfile, 'utf8').replace(/^ARG VERSION=.*$/m, `ARG VERSION=${version}`),
  );
  const today = new Date().toISOString().slice(0, 10);
  const changelog = readFileSync(changelogPath, 'utf8');
  writeFileSync(
    changelogPath,
    changelog.replace(/^## Unreleased$/m, `## Unreleased\n\n## ${version} - ${today}`),
  );
  run('npm', ['install', '--package-lock-only', '--no-audit', '--no-fund', '--loglevel=error'], root);
  console.log(`Everything says ${version}. Look at the changelog, commit, and tag the commit v${version}.`);
}

/** What stands in the way of a release. Only what `publish` needs is asked with it. */
function obstacles(version, goal) {
  const { repository } = manifestOf(published[0]);
  const wrong = folders.filter((folder) => manifestOf(folder).version !== version);
  return [
    [output('git', ['status', '--porcelain']) !== '', 'There are changes that are not committed.'],
    [wrong.length > 0, `Another version than ${version} is in: ${wrong.join(', ')}.`],
    [
      !readFileSync(changelogPath, 'utf8').includes(`\n## ${version} - `),
      `CHANGELOG.md has no heading for ${version}: npm run release -- version ${version}`,
    ],
    [unpublished(version).length === 0, `${version} has been published already.`],
    [
      goal === 'publish' &&
        !output('git', ['tag', '--points-at', 'HEAD']).split('\n').includes(`v${version}`),
      `This commit has no tag v${version}.`,
    ],
    [
      withProvenance && repository === undefined,
      'Provenance needs "repository" in the manifests of both packages: the address of the repository that this job runs for.',
    ],
  ].flatMap(([applies, text]) => (applies ? [text] : []));
}

/** Where a job can prove what it was built from. Elsewhere npm refuses `--provenance`. */
const withProvenance =
  process.env['ACTIONS_ID_TOKEN_REQUEST_URL'] !== undefined || process.env['SIGSTORE_ID_TOKEN'] !== undefined;

/** The packages that the registry does not have in this version: after a publication that broke off, the rest. */
function unpublished(version) {
  return published.filter((folder) => {
    const { stdout } = spawnSync('npm', ['view', `${manifestOf(folder).name}@${version}`, 'version'], {
      encoding: 'utf8',
    });
    return stdout.trim() === '';
  });
}

function fail(...messages) {
  throw new Error(messages.join('\n✖ '));
}

function release(goal) {
  const { version } = manifestOf('');
  const found = obstacles(version, goal);
  if (found.length > 0) fail(...found);
  const folder = mkdtempSync(join(tmpdir(), 'roundhouse-release-'));
  try {
    run('git', ['clone', '--quiet', '--depth', '1', pathToFileURL(root).href, folder], root);
    const tag = version.includes('-') ? 'next' : 'latest';
    run(
      'npm',
      [
        'publish',
        ...unpublished(version).flatMap((name) => ['--workspace', name]),
        ...['--access', 'public', '--tag', tag],
        ...(withProvenance ? ['--provenance'] : []),
        ...(goal === 'publish' ? [] : ['--dry-run']),
      ],
      folder,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
  if (goal !== 'publish') console.log('Nothing was published. To do it: npm run release -- publish');
}

const [, , goal = 'check', version] = process.argv;
try {
  if (goal === 'version') setVersion(version);
  else if (goal === 'check' || goal === 'publish') release(goal);
  else fail(`"${goal}" is none of: check, version X.Y.Z, publish.`);
} catch (error) {
  console.error(`✖ ${error.message}`);
  process.exitCode = 1;
}
