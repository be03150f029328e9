import http from 'node:http';
import type { AddressInfo } from 'node:net';

import { eventually } from './eventually.ts';
import { get } from './load.ts';
import { startTestGateway, type TestConfig, type TestGateway, type TestStart } from './start-gateway.ts';

/** What an instance does with a request once it has been counted. */
export type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void;

/** An instance in this process: answers its name, or whatever it is told to. */
export interface FleetInstance {
  readonly id: string;
  readonly port: number;
  /** Requests that it got. */
  readonly requests: number;
  /** From now on; undefined: its name again. */
  answer(handler: Handler | undefined): void;
  /** As a killed process: its port refuses connections, and the open ones are closed. */
  kill(): Promise<void>;
  /** At the same port again. */
  revive(): Promise<void>;
}

/** What a registration says beside address and name. */
export interface Registration {
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
  readonly weights?: { readonly passing: number; readonly warning: number };
}

/** What the admin listener says of the service. */
export interface ServiceRow {
  readonly balance: string;
  readonly panic: string;
  readonly queued: number;
  readonly instances: readonly {
    readonly id: string;
    readonly status: string;
    readonly health: string;
    readonly inFlight: number;
    readonly weight: number;
    readonly total: number;
  }[];
}

/** A gateway with its agent, and instances of `webapp-service` that come and go. Ends by disposal. */
export interface Fleet extends AsyncDisposable {
  readonly gateway: TestGateway;
  readonly instances: ReadonlyMap<string, FleetInstance>;
  /** Starts an instance without registering it. */
  start(id: string): Promise<FleetInstance>;
  /** Registers an instance, or registers it anew with something else to say, and waits until the gateway has heard of it. */
  register(instance: FleetInstance, registration?: Registration): Promise<void>;
  /** Both, one after the other. */
  join(id: string, registration?: Registration): Promise<FleetInstance>;
  leave(id: string): Promise<void>;
  /** The status of an instance's check in Consul, and in the gateway when it resolves; `draining`: maintenance. */
  setStatus(id: string, status: 'passing' | 'warning' | 'critical' | 'draining'): Promise<void>;
  service(): Promise<ServiceRow>;
  /** Who answers so many requests, one after the other; anything but a 200 throws. */
  ask(count: number, headers?: Record<string, string>, path?: string): Promise<readonly string[]>;
}

/** Consul's verb for each status of a TTL check. */
const verbs = { passing: 'pass', warning: 'warn', critical: 'fail' } as const;

/** Starts a gateway (see {@link startTestGateway}) without instances. */
export async function startFleet(config: TestConfig = {}, how: TestStart = {}): Promise<Fleet> {
  const gateway = await startTestGateway(config, how);
  const instances = new Map<string, FleetInstance & AsyncDisposable>();
  const put = async (path: string, body: unknown = null): Promise<void> => {
    const response = await fetch(`${gateway.consulUrl}/v1/agent/${path}`, {
      method: 'PUT',
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  };
  const service = async (): Promise<ServiceRow> => {
    const { body } = await get(`${gateway.adminUrl}/api/services/webapp-service`);
    return JSON.parse(body) as ServiceRow;
  };
  const until = (check: (row: ServiceRow) => boolean): Promise<void> =>
    eventually(async () => {
      const row = await service();
      if (!check(row)) throw new Error(JSON.stringify(row));
    });
  const start = async (id: string): Promise<FleetInstance> => {
    const instance = await startInstance(id);
    instances.set(id, instance);
    return instance;
  };
  let version = 0;
  const register = async (instance: FleetInstance, registration: Registration = {}): Promise<void> => {
    const { id, port } = instance;
    const { tags = [], meta = {}, weights = { passing: 1, warning: 1 } } = registration;
    version += 1;
    const mark = String(version);
    await put('service/register', {
      Name: 'webapp-service',
      ID: id,
      Address: '127.0.0.1',
      Port: port,
      Tags: [...tags, `version-${mark}`],
      Meta: meta,
      Weights: { Passing: weights.passing, Warning: weights.warning },
      Check: { CheckID: `check-${id}`, TTL: '10m', Status: 'passing' },
    });
    await eventually(async () => {
      const { body } = await get(`${gateway.adminUrl}/api/services/webapp-service`);
      if (!body.includes(`"version-${mark}"`)) throw new Error(body);
    });
  };
  return {
    gateway,
    instances,
    start,
    register,
    service,
    async join(id, registration) {
      const instance = await start(id);
      await register(instance, registration);
      return instance;
    },
    async leave(id) {
      await gateway.deregister(id);
      await until((row) => row.instances.every((each) => each.id !== id));
    },
    async setStatus(id, status) {
      if (status === 'draining') await put(`service/maintenance/${id}?enable=true`);
      else await put(`check/${verbs[status]}/check-${id}`);
      await until((row) => row.instances.some((each) => each.id === id && each.status === status));
    },
    async ask(count, headers = {}, path = '/') {
      const names: string[] = [];
      for (let i = 0; i < count; i += 1) {
        const { status, body } = await get(gateway.url + path, undefined, headers);
        if (status !== 200) throw new Error(`request ${i}: ${status} ${body}`);
        names.push(body);
      }
      return names;
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      for (const instance of instances.values()) await instance[Symbol.asyncDispose]();
    },
  };
}

async function startInstance(id: string): Promise<FleetInstance & AsyncDisposable> {
  let requests = 0;
  let handler: Handler | undefined;
  const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    requests += 1;
    if (handler === undefined) response.end(id);
    else handler(request, response);
  });
  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  const kill = (): Promise<void> =>
    new Promise((resolve) => {
      if (!server.listening) {
        resolve();
        return;
      }
      server.close(() => {
        resolve();
      });
      server.closeAllConnections();
    });
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    id,
    port,
    get requests() {
      return requests;
    },
    answer: (next) => {
      handler = next;
    },
    kill,
    revive: () => listen(port),
    [Symbol.asyncDispose]: kill,
  };
}

/** How often each name occurs. */
export function tally(names: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** A handler that keeps its answers back until it is told to give them. */
export function holding(): { readonly handler: Handler; readonly held: http.ServerResponse[] } {
  const held: http.ServerResponse[] = [];
  return { handler: (_, response) => void held.push(response), held };
}
