import {
  type ConsulClientOptions,
  type ConsulOptions,
  consulSettings,
  createConsulClient,
  routingKeyMetaKey,
} from '@roundhouse/agent-sdk/internal';

import type { ConfigSource } from '../../gateway/src/config/config-control.ts';
import { defaults } from '../../gateway/src/config/defaults.ts';
import type { GatewayConfig } from '../../gateway/src/config/gateway-config.ts';
import { startGateway, type Gateway } from '../../gateway/src/gateway.ts';
import { createLog } from '../../gateway/src/telemetry/log.ts';
import { createLogSink } from '../../gateway/src/telemetry/log-sink.ts';
import { createFaultyConsul, type FaultyConsul } from './faulty-consul.ts';

/** A gateway in this process with an embedded agent of its own. */
export interface TestGateway extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly consul: FaultyConsul;
  readonly consulUrl: string;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly adminUrl: string;
  /** Everything logged so far, access log included. */
  log(): string;
  /** Registers an instance through the agent's HTTP API, without checks: passing at once. */
  register(service: string, id: string, port: number, tags?: readonly string[]): Promise<void>;
  deregister(id: string): Promise<void>;
}

/** What instances that a test registers name when they ask how they stand. */
export const routingKey = 'k';

/** Overrides of the defaults; groups are merged. */
export type TestConfig = Partial<Omit<GatewayConfig, 'timeouts' | 'limits' | 'drain'>> & {
  readonly timeouts?: Partial<GatewayConfig['timeouts']>;
  readonly limits?: Partial<GatewayConfig['limits']>;
  readonly drain?: Partial<GatewayConfig['drain']>;
};

/** What happens around the start. */
export interface TestStart {
  /** Runs when the agent listens, before the gateway starts: to stop the agent, register in it, or make it lie. */
  readonly prepare?: (consul: FaultyConsul, url: string) => Promise<void>;
  /** Of the gateway's client for the agent. */
  readonly client?: ConsulClientOptions;
  /** A token's file, say; the address is the agent's. */
  readonly consul?: ConsulOptions;
  /** A Consul of the test's own, in place of the embedded agent. */
  readonly consulUrl?: string;
  /** What a reload reads. */
  readonly source?: ConfigSource;
  /** Another gateway, whose agent this one follows too; it has to outlive this one. */
  readonly beside?: TestGateway;
}

/** The defaults on free ports of 127.0.0.1, not announced and with a short drain, but for what the test says. */
export function testConfig(config: TestConfig = {}): GatewayConfig {
  return {
    ...defaults,
    announce: 'off',
    listen: { host: '127.0.0.1', port: 0 },
    admin: { host: '127.0.0.1', port: 0, token: 'off', hosts: [] },
    ...config,
    timeouts: { ...defaults.timeouts, ...config.timeouts },
    limits: { ...defaults.limits, ...config.limits },
    drain: { noticeMs: 0, timeoutMs: 1_000, ...config.drain },
  };
}

/** Starts on free ports of 127.0.0.1. Not announced unless asked, and with a short drain. */
export async function startTestGateway(config: TestConfig = {}, start: TestStart = {}): Promise<TestGateway> {
  const { beside } = start;
  const consul = beside?.consul ?? createFaultyConsul();
  const consulUrl = start.consulUrl ?? beside?.consulUrl ?? (await urlOf(consul));
  await start.prepare?.(consul, consulUrl);
  const settings = consulSettings({}, { ...start.consul, address: consulUrl });
  if (settings.kind === 'invalid') throw new Error(settings.problems.join('\n'));
  const client = createConsulClient(settings.settings, { ...config.consul, ...start.client });
  let text = '';
  const sink = createLogSink({
    output: {
      write(more, done) {
        text += more;
        done('written');
      },
    },
    dropNote: (lines) => `${lines} dropped\n`,
  });
  const gateway = await startGateway({
    config: testConfig(config),
    ...(start.source === undefined ? {} : { source: start.source }),
    client,
    consul: { address: consulUrl },
    log: createLog({ level: 'info', format: 'json', sink }),
    accessLog: { sink, format: 'json' },
    version: 'test',
  });
  const put = async (path: string, body: unknown): Promise<void> => {
    const response = await fetch(`${consulUrl}${path}`, { method: 'PUT', body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  };
  return {
    gateway,
    consul,
    consulUrl,
    url: `http://127.0.0.1:${gateway.address.port}`,
    adminUrl: `http://127.0.0.1:${gateway.adminAddress.port}`,
    log: () => text,
    register: (service, id, port, tags = []) =>
      put('/v1/agent/service/register', {
        Name: service,
        ID: id,
        Address: '127.0.0.1',
        Port: port,
        Tags: tags,
        Meta: { [routingKeyMetaKey]: routingKey },
      }),
    deregister: (id) => put(`/v1/agent/service/deregister/${id}`, null),
    async [Symbol.asyncDispose]() {
      await gateway.stop();
      client.close();
      if (beside === undefined) await consul.stop();
    },
  };
}

async function urlOf(consul: FaultyConsul): Promise<string> {
  const { port } = await consul.listen({ host: '127.0.0.1', port: 0 });
  return `http://127.0.0.1:${port}`;
}
