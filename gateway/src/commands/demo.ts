import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { Instance } from '@roundhouse/agent-sdk/internal';
import pc from 'picocolors';

import { createEmbeddedConsul } from '../embedded-consul/index.ts';
import type { Gateway } from '../gateway.ts';
import { sleep } from '../lifecycle/clock.ts';
import { untilSignal } from '../lifecycle/until-signal.ts';
import type { Log } from '../telemetry/log.ts';
import { routeName } from '../routing/route.ts';
import { startOrExplain } from './run.ts';
import {
  CommandError,
  configOrFail,
  consulOrFail,
  programLog,
  programVersion,
  type Flags,
} from './program.ts';

/** What the demo starts; counts as the command line gave them. */
export interface DemoOptions {
  readonly api: string;
  readonly webapp: string;
  readonly flags: Flags;
}

/** A demo service and how many of it. */
interface DemoService {
  readonly name: string;
  readonly script: string;
  readonly count: number;
}

/** How long the instances may take to be up, on a slow machine. */
const startMs = 30_000;
/** A child that ignores SIGTERM is killed after this: longer than the SDK's own drain. */
const childStopMs = 15_000;
const maxCount = 50;

/**
 * `roundhouse demo`: the embedded agent (or the Consul at CONSUL_HTTP_ADDR), the gateway, and the demo services as processes of
 * their own, until SIGINT or SIGTERM; then everything drains and no process is left.
 */
export async function demo({ api, webapp, flags }: DemoOptions): Promise<void> {
  const services = [
    { name: 'api-service', script: scriptOf('api'), count: countOf('--api', api) },
    { name: 'webapp-service', script: scriptOf('webapp'), count: countOf('--webapp', webapp) },
  ];
  await runAll(services, flags);
}

/** `roundhouse dev`: the same without the demo services, for services that you start yourself. */
export async function dev(flags: Flags): Promise<void> {
  await runAll([], flags);
}

async function runAll(services: readonly DemoService[], flags: Flags): Promise<void> {
  const { config } = configOrFail(quiet(flags));
  const signals = untilSignal(() => undefined);
  const ending = new AbortController();
  void signals.requested.then(() => {
    ending.abort();
  });
  const consul = await startConsul(process.env['CONSUL_HTTP_ADDR']);
  const { client } = consulOrFail({ address: consul.address }, config.consul);
  const { log, sink, format } = programLog(config.log, 'person');
  const shown = gate(log);
  const children: ChildProcess[] = [];
  let gateway: Gateway | undefined;
  try {
    for (const service of services) {
      for (let i = 1; i <= service.count; i += 1)
        children.push(startService(service, { label: `${service.name} ${i}`, consul: consul.address }));
    }
    gateway = await startOrExplain({
      config,
      client,
      consul: { address: consul.address },
      log: shown.log,
      accessLog: { sink, format },
      version: programVersion(),
    });
    await allUp(gateway, { services, children, signal: ending.signal });
    if (!ending.signal.aborted) console.log(welcome(gateway, consul, services));
    shown.open();
    await signals.requested;
    console.log('\nStopping: every instance announces that it leaves, finishes its requests, and ends.');
  } finally {
    await Promise.all([...children.map(stopChild), gateway?.stop()]);
    signals.dispose();
    client.close();
    await consul.stop();
    await sink.flush(1_000);
  }
}

/** No access log unless it is asked for: the demo page alone makes several requests a second. */
function quiet(flags: Flags): Flags {
  const asked = process.env['ACCESS_LOG'] ?? '';
  return asked === '' ? { accessLog: 'off', ...flags } : flags;
}

/** Holds back `info` lines until the welcome block has been printed; warnings and errors always get through. */
function gate(log: Log): { readonly log: Log; readonly open: () => void } {
  let state: 'closed' | 'open' = 'closed';
  const news: Log['info'] = (message, fields) => {
    if (state === 'open') log.info(message, fields);
  };
  return {
    log: { ...log, info: news },
    open: () => {
      state = 'open';
    },
  };
}

function countOf(flag: string, value: string): number {
  const count = Number(value);
  if (!/^\d{1,3}$/.test(value) || count > maxCount)
    throw new CommandError(`${flag} ${value}: a number from 0 to ${maxCount} is expected.`);
  return count;
}

/** In a checkout, else in the package. */
function scriptOf(service: 'api' | 'webapp'): string {
  const places = ['../../../services', '../demo'].map((folder) =>
    fileURLToPath(new URL(`${folder}/${service}/dist/main.js`, import.meta.url)),
  );
  const script = places.find((place) => existsSync(place));
  if (script !== undefined) return script;
  throw new CommandError(
    `The demo services are not built: there is no ${places.join(' and no ')}. Run "npm run demo" in a checkout; it builds them.`,
  );
}

interface DemoConsul {
  readonly address: string;
  readonly kind: 'embedded' | 'external';
  readonly stop: () => Promise<void>;
}

/** The usual port when it is free, so that `node services/api/dist/main.js` in another terminal needs no settings. */
async function startConsul(external: string | undefined): Promise<DemoConsul> {
  if (external !== undefined && external !== '')
    return { address: external, kind: 'external', stop: () => Promise.resolve() };
  const agent = createEmbeddedConsul();
  const bound = await agent
    .listen({ host: '127.0.0.1', port: 8500 })
    .catch((error: unknown) =>
      isInUse(error) ? agent.listen({ host: '127.0.0.1', port: 0 }) : Promise.reject(toError(error)),
    );
  return { address: `http://${bound.host}:${bound.port}`, kind: 'embedded', stop: () => agent.stop() };
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** A service as a process of its own. Its IPC channel closes when this process dies before it could stop the service. */
function startService(
  service: DemoService,
  { label, consul }: { readonly label: string; readonly consul: string },
): ChildProcess {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    CONSUL_HTTP_ADDR: consul,
    LOG_LEVEL: 'warn',
    LOG_FORMAT: 'text',
  };
  delete env['PORT'];
  const child = spawn(process.execPath, [service.script], { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.split('\n'))
        if (line.trim() !== '') console.log(`${pc.dim(`${label} │`)} ${line}`);
    });
  }
  return child;
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

async function stopChild(child: ChildProcess): Promise<void> {
  if (hasEnded(child) || child.pid === undefined) return;
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve();
    });
  });
  child.kill('SIGTERM');
  const deadline = setTimeout(() => child.kill('SIGKILL'), childStopMs);
  await ended;
  clearTimeout(deadline);
}

/** Waits until the gateway sees every instance. Throws a {@link CommandError} with the reason when that can't happen. */
async function allUp(
  gateway: Gateway,
  {
    services,
    children,
    signal,
  }: {
    readonly services: readonly DemoService[];
    readonly children: readonly ChildProcess[];
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const pids = new Set(children.map((child) => String(child.pid)));
  const wanted = services.reduce((sum, service) => sum + service.count, 0);
  const deadline = performance.now() + startMs;
  while (!signal.aborted) {
    const up = liveInstances(gateway).filter((instance) => pids.has(instance.meta['pid'] ?? ''));
    if (up.length >= wanted) return;
    if (children.some(hasEnded))
      throw new CommandError('A demo service ended before it was up; its last lines are above.');
    if (performance.now() > deadline)
      throw new CommandError(`Only ${up.length} of ${wanted} instances were up after ${startMs / 1000} s.`);
    await sleep(20);
  }
}

function liveInstances(gateway: Gateway): readonly Instance[] {
  return gateway.registry.services.flatMap(
    (service) => service.snapshot?.instances.filter((i) => i.status === 'passing') ?? [],
  );
}

/** The block that is printed when everything runs. */
function welcome(gateway: Gateway, consul: DemoConsul, services: readonly DemoService[]): string {
  const port = gateway.address.port;
  const site = `http://localhost:${port}`;
  const instances = liveInstances(gateway);
  const idWidth = Math.max(...instances.map((instance) => instance.id.length), 8);
  const rows = gateway.registry.table.routes.flatMap((route) => {
    const own = instances.filter((instance) => instance.service === route.service);
    return [
      `  ${pc.bold(routeName(route).padEnd(8))} ${pc.cyan('→')} ${route.service}`,
      ...own.map(
        (i) =>
          `             ${pc.green('●')} ${i.id.padEnd(idWidth)}  ${`${i.address}:${i.port}`.padEnd(21)}  pid ${i.meta['pid'] ?? '?'}`,
      ),
    ];
  });
  const api = services.find(({ name }) => name === 'api-service');
  return [
    '',
    `  ${pc.bold('Roundhouse is up.')}`,
    '',
    `  Site     ${pc.underline(`${site}/`)}`,
    ...(api === undefined ? [] : [`  API      ${pc.underline(`${site}/api/whoami`)}`]),
    `  Admin    ${pc.underline(`http://${gateway.adminAddress.host}:${gateway.adminAddress.port}/`)}`,
    `  Consul   ${pc.underline(consul.address)} (${consul.kind === 'embedded' ? 'embedded, in memory' : 'yours'})`,
    '',
    ...(api === undefined ? [] : [...rows, '']),
    '  Try',
    ...suggestions(api, {
      site,
      settings: consul.address.endsWith(':8500') ? '' : `CONSUL_HTTP_ADDR=${consul.address} `,
      victim: instances.find((instance) => instance.service === api?.name)?.meta['pid'] ?? 'PID',
    }),
    `  ${pc.dim('Ctrl-C stops everything.')}`,
    '',
  ].join('\n');
}

/** What to type in another terminal, with the settings that a service needs to find this Consul. */
function suggestions(
  api: DemoService | undefined,
  { site, settings, victim }: { readonly site: string; readonly settings: string; readonly victim: string },
): readonly string[] {
  if (api === undefined) {
    return [
      `    ${settings}node service.js    ${pc.dim('in another terminal: a service that calls startService')}`,
    ];
  }
  const inside = relative(process.cwd(), api.script);
  const script = inside.startsWith('..') ? api.script : inside;
  return [
    `    curl ${site}/api/whoami        ${pc.dim('a few times: the instances take turns')}`,
    `    kill -9 ${victim.padEnd(8)}                          ${pc.dim('one dies: no request fails')}`,
    `    ${settings}node ${script}        ${pc.dim('in another terminal: one more joins')}`,
  ];
}
