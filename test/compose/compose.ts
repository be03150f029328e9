import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { repositoryRoot } from '../kit/processes.ts';

/** How a command ended, with what it wrote to either stream. */
interface Finished {
  readonly code: number | null;
  readonly output: string;
  readonly stdout: string;
}

/** The images that docker-compose.yml and the Dockerfile start from. */
const baseImages = ['node:24-bookworm-slim', 'hashicorp/consul:1.22'] as const;

/** What the compose test can do on this machine. */
export type Engine =
  | { readonly kind: 'ready'; readonly images: 'pulled' | 'local' }
  | { readonly kind: 'no engine' | 'no images'; readonly reason: string };

/** Finds out whether an engine runs, and whether it has, or can get, the base images. */
export async function findEngine(): Promise<Engine> {
  for (const args of [
    ['info', '--format', '{{.ServerVersion}}'],
    ['compose', 'version'],
  ]) {
    const { code, output } = await docker(args, 30_000);
    if (code !== 0) return { kind: 'no engine', reason: `docker ${args.join(' ')}: ${firstLine(output)}` };
  }
  let images: 'pulled' | 'local' = 'pulled';
  for (const image of baseImages) {
    const inspected = await docker(['image', 'inspect', '--format', '{{len .RepoDigests}}', image], 30_000);
    if (inspected.code !== 0) {
      const pulled = await docker(['pull', '--quiet', image], 300_000);
      if (pulled.code !== 0) {
        return {
          kind: 'no images',
          reason: `${image} is not here and can't be pulled: ${firstLine(pulled.output)}`,
        };
      }
      // Never pushed to or pulled from a registry: made on this machine.
    } else if (inspected.stdout.trim() === '0') {
      images = 'local';
    }
  }
  return { kind: 'ready', images };
}

/** The compose file of this repository as a project of its own, on ports of its own. */
export interface Project {
  /** Where the gateway's traffic listener is published. */
  readonly url: string;
  /** Where its admin listener is. */
  readonly adminUrl: string;
  /** Runs `docker compose ARGS`; resolves with stdout, rejects with all output when it fails. */
  compose(...args: string[]): Promise<string>;
  /** Runs `docker ARGS` in the same manner. */
  docker(...args: string[]): Promise<string>;
  /** What a container, running or not, has written to either stream. */
  logs(container: string): Promise<string>;
  /** Ids of the running containers of one service. */
  containers(service: string): Promise<string[]>;
  /** Addresses of these containers in the project's network. */
  addresses(containers: readonly string[]): Promise<string[]>;
  /** Removes containers, networks and volumes; the images stay. Never fails. */
  down(): Promise<void>;
}

/**
 * Sets a project up; nothing runs yet. With local base images it builds with the classic builder, which alone takes
 * them as they are, and through the host's network.
 */
export async function createProject(images: 'pulled' | 'local'): Promise<Project> {
  const name = `roundhouse-test-${process.pid}`;
  const [port, adminPort] = [await freePort(), await freePort()];
  const files = ['docker-compose.yml', ...(images === 'local' ? ['test/compose/local-build.yml'] : [])];
  const env = {
    GATEWAY_PORT: String(port),
    GATEWAY_ADMIN_PORT: String(adminPort),
    ...(images === 'local' ? { DOCKER_BUILDKIT: '0' } : {}),
  };
  const projectArgs = ['compose', '--project-name', name, ...files.flatMap((file) => ['--file', file])];
  const run = async (args: readonly string[]): Promise<Finished> => {
    const finished = await docker(args, 800_000, env);
    const { code, output } = finished;
    if (code !== 0) throw new Error(`docker ${args.join(' ')}: code ${String(code)}\n${output.slice(-8000)}`);
    return finished;
  };
  const ok = async (args: readonly string[]) => (await run(args)).stdout;
  return {
    url: `http://127.0.0.1:${port}`,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    compose: (...args) => ok([...projectArgs, ...args]),
    docker: (...args) => ok(args),
    logs: async (container) => (await run(['logs', container])).output,
    containers: async (service) => lines(await ok([...projectArgs, 'ps', '--quiet', service])),
    addresses: async (containers) =>
      lines(
        await ok([
          'inspect',
          '--format',
          '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}',
          ...containers,
        ]),
      ),
    async down() {
      await docker([...projectArgs, 'down', '--volumes', '--remove-orphans', '--timeout', '5'], 120_000, env);
    },
  };
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

function firstLine(text: string): string {
  return lines(text)[0] ?? 'no output';
}

/** Runs docker; ends it after `timeoutMs`. A machine without docker is a code like any other. */
async function docker(
  args: readonly string[],
  timeoutMs: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  const child = spawn('docker', args, {
    cwd: repositoryRoot,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
  });
  let output = '';
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((resolve) => {
    child.once('error', (error) => {
      resolve({ code: 127, output: error.message, stdout: '' });
    });
    child.once('close', (code) => {
      resolve({ code, output, stdout });
    });
  });
}

/** A port that is free now. Docker takes it a moment later; a collision shows as a failed `up`. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
