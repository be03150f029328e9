/**
 * Makes a clean clone runnable: `node .ci/prepare.mjs install|build|pack`. Uses nothing but Node and npm.
 * Installs when node_modules is missing or older than the lockfile, then (for "build") compiles incrementally. "pack" also puts
 * the demo services into the gateway's package, for `roundhouse demo`.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Roundhouse needs Node 20.19 or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

/** Without the options of the npm command that this may run under: `npm pack --dry-run` must install and build all the same. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) =>
      !/^npm_config_(dry_run|workspaces?|include_workspace_root|omit|prefix|json|global)$/i.test(name),
  ),
);

function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    env,
    // What an npm command prints is for programs: what this prints goes to stderr.
    stdio: ['ignore', 2, 2],
  });
  if (error !== undefined) console.error(`Cannot run ${command}: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

const installed = join(root, 'node_modules', '.package-lock.json');
const lockfile = join(root, 'package-lock.json');
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lockfile).mtimeMs) {
  console.error('Installing dependencies (npm ci) …');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}
const [, , goal] = process.argv;
if (goal === 'build' || goal === 'pack') {
  cpSync(join(root, 'agent-sdk', 'entry'), join(root, 'agent-sdk', 'dist'), { recursive: true });
  run(process.execPath, [
    join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
    '-b',
    '.config/tsconfig.build.json',
  ]);
}
if (goal === 'pack') {
  for (const [service, folders] of Object.entries({ api: ['dist'], webapp: ['dist', 'public'] })) {
    for (const folder of folders)
      cpSync(
        join(root, 'services', service, folder),
        join(root, 'gateway', 'dist', 'demo', service, folder),
        {
          recursive: true,
          filter: (path) => !path.endsWith('.tsbuildinfo'),
        },
      );
  }
}
