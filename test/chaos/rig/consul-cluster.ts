import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { eventually } from '../../kit/eventually.ts';
import { get } from '../../kit/load.ts';
import { startProcess, type TestProcess } from '../../kit/processes.ts';
import { createDisposal } from '../../kit/disposal.ts';

/** Three real Consul servers, each in a network namespace of its own, on one bridge: they can be killed and cut off one by one. */
export interface ConsulCluster extends AsyncDisposable {
  /** This machine's own address on the bridge, where instances have to listen. */
  readonly host: string;
  /** `http://10.77.X.Y:8500` of server 0, 1 or 2. */
  address(server: number): string;
  /** The leader in the eyes of a server; undefined when it knows none. */
  leaderOf(server: number): Promise<number | undefined>;
  /** SIGKILL. */
  kill(server: number): Promise<void>;
  /** Starts a killed one again, with what it had on disk. */
  restart(server: number): Promise<void>;
  /** From now on it hears nothing of the other two, nor they of it; clients still reach it. */
  isolate(server: number): void;
  /** Ends the isolation, and has the server join the other two again. */
  heal(server: number): void;
}

let clusters = 0;
const servers = [0, 1, 2] as const;
const others = (server: number): readonly number[] => servers.filter((other) => other !== server);

/** Why this machine has no namespaces for us, for the title of a skipped test; undefined when it has. */
export function namespaceObstacle(): string | undefined {
  const name = `rh-try-${process.pid}`;
  const { status, error, stderr } = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  if (error !== undefined) return 'ip is not installed: apt-get install iproute2';
  if (status !== 0) return `network namespaces need root: ${stderr.trim()}`;
  const inside = spawnSync('ip', ['netns', 'exec', name, 'iptables', '-w', '-L', '-n'], { encoding: 'utf8' });
  spawnSync('ip', ['netns', 'del', name]);
  return inside.status === 0 ? undefined : `no iptables in a namespace: ${inside.stderr.trim()}`;
}

function run(command: string, ...args: readonly string[]): void {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
}

/** Resolves when the three have a leader and know of each other. */
export async function startConsulCluster(path: string): Promise<ConsulCluster> {
  const subnet = `10.77.${process.pid % 250}`;
  const ip = (server: number): string => `${subnet}.${11 + server}`;
  // Names are new each time: the kernel takes its time to forget a namespace's interfaces.
  const tag = `rh${process.pid % 100_000}-${(clusters += 1)}`;
  const namespace = (server: number): string => `${tag}-${server}`;
  const folder = mkdtempSync(join(tmpdir(), 'roundhouse-cluster-'));
  const running = new Map<number, TestProcess>();
  const stack = createDisposal();
  const undo = (action: () => void): void => {
    stack.use({ [Symbol.dispose]: action });
  };

  const start = async (server: number): Promise<void> => {
    const consul = [
      ...['agent', '-server', '-bootstrap-expect=3', `-node=server-${server}`, `-bind=${ip(server)}`],
      ...['-client=0.0.0.0', `-data-dir=${join(folder, String(server))}`, '-log-level=warn'],
      ...others(server).map((other) => `-retry-join=${ip(other)}`),
      ...['-retry-interval=1s', '-hcl=performance { raft_multiplier = 1 }'],
    ];
    const args = ['netns', 'exec', namespace(server), path, ...consul];
    running.set(server, await startProcess({ command: 'ip', args }));
  };

  try {
    undo(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    run('ip', 'link', 'add', tag, 'type', 'bridge');
    undo(() => {
      run('ip', 'link', 'del', tag);
    });
    run('ip', 'addr', 'add', `${subnet}.1/24`, 'dev', tag);
    run('ip', 'link', 'set', tag, 'up');
    // Docker lets the kernel filter bridges too, and drops packets without a rule that allows them.
    const passage = ['FORWARD', '-i', tag, '-o', tag, '-j', 'ACCEPT'];
    run('iptables', '-w', '-I', ...passage);
    undo(() => {
      run('iptables', '-w', '-D', ...passage);
    });
    for (const server of servers) {
      const name = namespace(server);
      run('ip', 'netns', 'add', name);
      undo(() => {
        run('ip', 'netns', 'del', name);
      });
      run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
      undo(() => {
        run('ip', 'link', 'del', name);
      });
      run('ip', 'link', 'set', name, 'master', tag, 'up');
      run('ip', '-n', name, 'addr', 'add', `${ip(server)}/24`, 'dev', 'eth0');
      run('ip', '-n', name, 'link', 'set', 'eth0', 'up');
      run('ip', '-n', name, 'link', 'set', 'lo', 'up');
    }
    stack.use({
      [Symbol.asyncDispose]: async () => {
        for (const consul of running.values()) await consul[Symbol.asyncDispose]();
      },
    });
    await Promise.all(servers.map(start));

    const address = (server: number): string => `http://${ip(server)}:8500`;
    const leaderOf = async (server: number): Promise<number | undefined> => {
      const { body } = await get(`${address(server)}/v1/status/leader`);
      return servers.find((candidate) => body === `"${ip(candidate)}:8300"`);
    };
    const filter = (server: number, action: '-I' | '-D'): void => {
      for (const other of others(server)) {
        for (const rule of [
          ['INPUT', '-s'],
          ['OUTPUT', '-d'],
        ] as const) {
          const args = ['-w', action, ...rule, ip(other), '-j', 'DROP'];
          run('ip', 'netns', 'exec', namespace(server), 'iptables', ...args);
        }
      }
    };
    await eventually(
      async () => {
        for (const server of servers) {
          const { body } = await get(`${address(server)}/v1/catalog/nodes`);
          const known = (JSON.parse(body) as unknown[]).length;
          if ((await leaderOf(server)) === undefined || known < 3) throw new Error(`no cluster yet: ${body}`);
        }
      },
      30_000,
      200,
    );
    return {
      host: `${subnet}.1`,
      address,
      leaderOf,
      async kill(server) {
        await running.get(server)?.stop('SIGKILL');
      },
      async restart(server) {
        await running.get(server)?.[Symbol.asyncDispose]();
        await start(server);
      },
      isolate: (server) => {
        filter(server, '-I');
      },
      heal: (server) => {
        filter(server, '-D');
        // By itself a member tries those that it has given up for dead only every 30 s, which is as long as a hold lasts.
        run('ip', 'netns', 'exec', namespace(server), path, 'join', ...others(server).map(ip));
      },
      [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
    };
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}
