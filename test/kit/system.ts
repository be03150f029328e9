import { get } from './load.ts';
import { eventually } from './eventually.ts';
import { startProcess, type TestProcess } from './processes.ts';

/** A gateway as a process of its own, with a client for its admin listener. */
export interface GatewayProcess extends AsyncDisposable {
  readonly process: TestProcess;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly adminUrl: string;
  readonly port: number;
  /** Instances of a service that are passing, by id. */
  passing(service: string): Promise<readonly string[]>;
}

/** Starts `roundhouse run` on free ports (or on `port`) against a Consul, and waits until it listens. */
export async function startGatewayProcess(
  consul: string,
  options: {
    readonly port?: number;
    readonly env?: Readonly<Record<string, string>>;
    /** For node itself, before the gateway's own. */
    readonly nodeArgs?: readonly string[];
  } = {},
): Promise<GatewayProcess> {
  const child = await startProcess({
    args: [...(options.nodeArgs ?? []), 'gateway/dist/cli.js', 'run'],
    env: {
      CONSUL_HTTP_ADDR: consul,
      GATEWAY_HOST: '127.0.0.1',
      GATEWAY_PORT: String(options.port ?? 0),
      GATEWAY_ADMIN_PORT: '0',
      ACCESS_LOG: 'off',
      ...options.env,
    },
  });
  const [, port = '', adminPort = ''] = await child.waitFor(
    /Listening on [^ ]*:(\d+), admin on [^ ]*:(\d+)/,
    20_000,
  );
  const adminUrl = `http://127.0.0.1:${adminPort}`;
  return {
    process: child,
    url: `http://127.0.0.1:${port}`,
    adminUrl,
    port: Number(port),
    passing: (service) => passingInstances(adminUrl, service),
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

async function passingInstances(adminUrl: string, service: string): Promise<readonly string[]> {
  const { body } = await get(`${adminUrl}/api/services`);
  const { services } = JSON.parse(body) as {
    services: { service: string; instances: { id: string; status: string }[] }[];
  };
  const instances = services.find((one) => one.service === service)?.instances ?? [];
  return instances.filter((instance) => instance.status === 'passing').map((instance) => instance.id);
}

/** Starts a demo service as a process of its own; resolves when it says that it is registered. */
export async function startServiceProcess(
  service: 'api' | 'webapp',
  consul: string,
  env: Readonly<Record<string, string>> = {},
): Promise<TestProcess> {
  const child = await startProcess({
    args: [`services/${service}/dist/main.js`],
    env: { CONSUL_HTTP_ADDR: consul, ...env },
  });
  await child.waitFor(/registered /, 20_000);
  return child;
}

/** Waits until the gateway sees exactly `count` passing instances of a service. */
export async function untilPassing(
  gateway: GatewayProcess,
  service: string,
  count: number,
  deadlineMs = 20_000,
): Promise<readonly string[]> {
  return eventually(async () => {
    const ids = await gateway.passing(service);
    if (ids.length !== count) throw new Error(`${service} has ${ids.length} passing instances, not ${count}`);
    return ids;
  }, deadlineMs);
}
