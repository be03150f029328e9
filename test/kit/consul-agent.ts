import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

import { eventually } from './eventually.ts';
import { freePorts } from './ports.ts';

/** Where a Consul binary is, or why there is none and how to get one. */
export type ConsulSearch = { readonly path: string; readonly version: string } | { readonly missing: string };

const howToGetIt =
  'get one from https://developer.hashicorp.com/consul/install (or `apt-get install consul`) and put it on the PATH, or name it in CONSUL_BIN';

/** Looks for Consul: `CONSUL_BIN` first, which must then be right, else the PATH. */
export function findConsul(env: Readonly<Record<string, string | undefined>> = process.env): ConsulSearch {
  const named = env['CONSUL_BIN'] ?? '';
  const candidates =
    named === '' ? (env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'consul')) : [named];
  const path = candidates.find(isExecutable);
  if (path === undefined) {
    const where = named === '' ? 'no consul on the PATH' : `CONSUL_BIN=${named} can't be executed`;
    return { missing: `${where}; ${howToGetIt}` };
  }
  try {
    const said = execFileSync(path, ['version'], { encoding: 'utf8', timeout: 10_000 });
    const version = /Consul v(\S+)/.exec(said)?.[1];
    if (version !== undefined) return { path, version };
    return { missing: `${path} does not say which Consul it is; ${howToGetIt}` };
  } catch {
    return { missing: `${path} does not run; ${howToGetIt}` };
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A `consul agent -dev` of our own, on free ports of 127.0.0.1. */
export interface RealConsul {
  /** `http://127.0.0.1:PORT` */
  readonly address: string;
  readonly port: number;
  /** Of its DNS on 127.0.0.1; -1 unless asked for. */
  readonly dnsPort: number;
  /** With `acl: 'deny'`: a token that may do everything; empty otherwise. Another one after `restart`. */
  readonly managementToken: string;
  /** Ends it; resolves when the process has gone and its files are removed. Default SIGTERM. Idempotent. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** SIGKILL; it can be brought back with `restart`. */
  kill(): Promise<void>;
  /** Kills it if it runs and starts it again on the same ports. Everything is forgotten, as -dev keeps nothing. */
  restart(): Promise<void>;
  /** SIGSTOP and SIGCONT: it holds its connections and says nothing. */
  pause(): void;
  resume(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Ports {
  readonly http: number;
  readonly server: number;
  readonly serfLan: number;
  readonly serfWan: number;
  /** -1: it answers no DNS. */
  readonly dns: number;
}

const startAttempts = 3;

/** How a Consul is started. */
export interface ConsulOptions {
  readonly httpPort?: number;
  readonly path?: string;
  /** Default `off`. */
  readonly dns?: 'on' | 'off';
  /** `deny`: calls without a token may do nothing. Default: no ACLs. */
  readonly acl?: 'deny';
}

/** A process and what it was given. */
interface Running {
  readonly child: ChildProcess;
  readonly managementToken: string;
}

/**
 * Starts a Consul and waits until it has a leader and its own node in the catalog. Rejects with what it printed when it doesn't
 * come up. Its end is `stop` or `await using`; a test process that dies takes it along.
 */
export async function startRealConsul(options: ConsulOptions = {}): Promise<RealConsul> {
  const path = options.path ?? foundPath();
  const folder = mkdtempSync(join(tmpdir(), 'roundhouse-consul-'));
  let running: Running | undefined;
  // Between picking a free port and using it someone else may take it; then it is picked again.
  const first = await firstStart(path, folder, options, startAttempts);
  const { ports } = first;
  running = first.running;
  const endWithUs = (): void => {
    running?.child.kill('SIGKILL');
  };
  process.once('exit', endWithUs);

  async function end(signal: NodeJS.Signals): Promise<void> {
    const ending = running;
    running = undefined;
    if (ending === undefined) return;
    await endProcess(ending.child, signal);
  }
  async function stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    process.off('exit', endWithUs);
    await end(signal);
    rmSync(folder, { recursive: true, force: true });
  }

  return {
    address: `http://127.0.0.1:${ports.http}`,
    port: ports.http,
    dnsPort: ports.dns,
    get managementToken() {
      return running?.managementToken ?? '';
    },
    stop,
    kill: () => end('SIGKILL'),
    async restart() {
      await end('SIGKILL');
      running = await start(path, folder, { ports, acl: options.acl });
    },
    pause() {
      running?.child.kill('SIGSTOP');
    },
    resume() {
      running?.child.kill('SIGCONT');
    },
    [Symbol.asyncDispose]: () => stop(),
  };
}

function foundPath(): string {
  const consul = findConsul();
  if ('missing' in consul) throw new Error(consul.missing);
  return consul.path;
}

async function firstStart(
  path: string,
  folder: string,
  options: ConsulOptions,
  attemptsLeft: number,
): Promise<{ readonly ports: Ports; readonly running: Running }> {
  const [http = 0, server = 0, serfLan = 0, serfWan = 0, dns = 0] = await freePorts(5);
  const ports = {
    ...{ http: options.httpPort ?? http, server, serfLan, serfWan },
    dns: options.dns === 'on' ? dns : -1,
  };
  try {
    return { ports, running: await start(path, folder, { ports, acl: options.acl }) };
  } catch (error) {
    if (attemptsLeft > 1) return firstStart(path, folder, options, attemptsLeft - 1);
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

async function start(
  path: string,
  folder: string,
  { ports, acl }: { readonly ports: Ports; readonly acl: ConsulOptions['acl'] },
): Promise<Running> {
  const args = [
    ...['agent', '-dev', '-bind=127.0.0.1', '-client=127.0.0.1', '-node=contract', '-log-level=warn'],
    ...[`-http-port=${ports.http}`, `-server-port=${ports.server}`, `-serf-lan-port=${ports.serfLan}`],
    ...[`-serf-wan-port=${ports.serfWan}`, '-grpc-port=-1', `-dns-port=${ports.dns}`],
    ...(acl === undefined ? [] : [`-hcl=acl { enabled = true default_policy = "${acl}" }`]),
  ];
  const log = openSync(join(folder, 'consul.log'), 'a');
  const child = spawn(path, args, { stdio: ['ignore', log, log], env: withoutConsulVariables() });
  closeSync(log);
  let failure = '';
  let managementToken = '';
  child.once('error', (error) => {
    failure = error.message;
  });
  try {
    if (acl !== undefined) managementToken = await eventually(() => bootstrapAcl(ports.http), 20_000);
    await eventually(() => becomesReady({ ports, child, managementToken }, () => failure), 20_000);
  } catch (error) {
    await endProcess(child, 'SIGKILL');
    throw new Error(`consul agent -dev does not come up: ${logOf(folder)}`, { cause: error });
  }
  if (child.exitCode !== null) throw new Error(`consul agent -dev ended: ${logOf(folder)}`);
  return { child, managementToken };
}

/** Makes the first token, which may do everything, and gives it to the agent, which registers its own node with it. */
async function bootstrapAcl(httpPort: number): Promise<string> {
  const base = `http://127.0.0.1:${httpPort}/v1`;
  const made = await fetch(`${base}/acl/bootstrap`, { method: 'PUT' });
  if (!made.ok) throw new Error(`no token yet: ${await made.text()}`);
  const { SecretID: token } = (await made.json()) as { readonly SecretID: string };
  const headers = { 'x-consul-token': token };
  const body = JSON.stringify({ Token: token });
  const taken = await fetch(`${base}/agent/token/agent`, { method: 'PUT', headers, body });
  if (!taken.ok) throw new Error(`the agent does not take its token: ${await taken.text()}`);
  return token;
}

async function becomesReady(
  { ports, child, managementToken }: Running & { readonly ports: Ports },
  failure: () => string,
): Promise<void> {
  if (failure() !== '') throw new Error(failure());
  if (child.exitCode !== null) return;
  const base = `http://127.0.0.1:${ports.http}/v1`;
  const options = {
    headers: { 'x-consul-token': managementToken },
    signal: AbortSignal.timeout(2_000),
  };
  const nodes: unknown = await (await fetch(`${base}/catalog/nodes`, options)).json();
  if (!Array.isArray(nodes) || nodes.length === 0) throw new Error('its node is not in the catalog yet');
  const checks = await (await fetch(`${base}/health/node/contract`, options)).text();
  if (!checks.includes('serfHealth')) throw new Error('its node has no health yet');
}

async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  // A paused process hears nothing but SIGKILL until it goes on.
  child.kill('SIGCONT');
  const forced = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await ended;
  clearTimeout(forced);
}

function withoutConsulVariables(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CONSUL_')));
}

function logOf(folder: string): string {
  try {
    return readFileSync(join(folder, 'consul.log'), 'utf8').slice(-2_000);
  } catch {
    return 'it left no log';
  }
}
