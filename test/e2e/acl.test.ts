import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { get, startLoad } from '../kit/load.ts';
import { startProcess } from '../kit/processes.ts';
import { consulOrSkip, startRealConsul, type RealConsul } from '../kit/real-consul.ts';
import { startGatewayProcess } from '../kit/system.ts';

/** Tokens as `deploy/consul` says to make them. */
function tokens(consul: RealConsul) {
  const put = async (path: string, body?: unknown, method = 'PUT'): Promise<string> => {
    const headers = { 'x-consul-token': consul.managementToken };
    const text = body === undefined ? null : JSON.stringify(body);
    const response = await fetch(`${consul.address}/v1/acl/${path}`, { method, headers, body: text });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${path}: ${answer}`);
    return answer;
  };
  return {
    /** A policy from its file, and a first token for it. */
    async policy(name: string): Promise<string> {
      const rules = await readFile(`deploy/consul/${name}.hcl`, 'utf8');
      await put('policy', { Name: name, Rules: rules });
      return this.token(name);
    },
    async token(policy: string): Promise<string> {
      const made = JSON.parse(await put('token', { Policies: [{ Name: policy }] })) as { SecretID: string };
      return made.SecretID;
    },
    async revoke(token: string): Promise<void> {
      const response = await fetch(`${consul.address}/v1/acl/token/self`, {
        headers: { 'x-consul-token': token },
      });
      const { AccessorID } = (await response.json()) as { AccessorID: string };
      await put(`token/${AccessorID}`, undefined, 'DELETE');
    },
  };
}

function startThings(consul: RealConsul, env: Readonly<Record<string, string>>) {
  return startProcess({
    args: ['test/e2e/fixtures/plain-http.mjs'],
    env: {
      CONSUL_HTTP_ADDR: consul.address,
      SERVICE_NAME: 'api-service',
      SERVICE_ROUTE: '/things',
      ...env,
    },
  });
}

consulOrSkip('a Consul that refuses what no policy allows', (path) => {
  it('serves gateways and services with the smallest policies; tokens are rotated without a lost request', async () => {
    await using consul = await startRealConsul({ path, acl: 'deny' });
    const acl = tokens(consul);
    const folder = await mkdtemp(join(tmpdir(), 'roundhouse-acl-'));
    const files = { gateway: join(folder, 'gateway'), service: join(folder, 'service') };
    const old = { gateway: await acl.policy('gateway'), service: await acl.policy('service') };
    await writeFile(files.gateway, old.gateway);
    await writeFile(files.service, old.service);
    await using gateway = await startGatewayProcess(consul.address, {
      env: { CONSUL_HTTP_TOKEN_FILE: files.gateway },
    });
    await using service = await startThings(consul, { CONSUL_HTTP_TOKEN_FILE: files.service });
    await service.waitFor(/live on 1\/1 gateways in \d+ ms\b/);
    const load = startLoad(`${gateway.url}/things`, 100);

    for (const which of ['gateway', 'service'] as const) {
      await writeFile(files[which], await acl.token(which));
      const process = which === 'gateway' ? gateway.process : service;
      await process.waitFor(/the Consul token has changed; registering again/);
      await acl.revoke(old[which]);
    }
    // The new tokens read and write: another instance is found, and leaves again.
    await using another = await startThings(consul, { CONSUL_HTTP_TOKEN_FILE: files.service });
    await another.waitFor(/live on 1\/1 gateways in \d+ ms\b/);
    await eventually(() => {
      expect(load.report().answered).toBeGreaterThan(100);
    });
    expect(await another.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(another.output()).toMatch(/draining acknowledged by 1\/1 gateways in \d+ ms\b/);
    expect(await service.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(service.output()).toMatch(/draining acknowledged by 1\/1 gateways in \d+ ms\b/);
    // Once no instance is left, 503 is right.
    const { failures } = await load.stop();
    expect(failures.filter((failure) => !failure.startsWith('503 '))).toEqual([]);
    await rm(folder, { recursive: true });
  });

  it('lets a service register its own name only, and both sides say what is refused', async () => {
    await using consul = await startRealConsul({ path, acl: 'deny' });
    const acl = tokens(consul);
    const [own, reader] = [await acl.policy('service'), await acl.policy('gateway')];
    await using thief = await startThings(consul, { CONSUL_HTTP_TOKEN: own, SERVICE_NAME: 'payments' });
    await thief.waitFor(/registering .*payments.*Permission denied/);
    await using blind = await startGatewayProcess(consul.address);
    await blind.process.waitFor(/403|Permission denied|filtered/);
    await using gateway = await startGatewayProcess(consul.address, { env: { CONSUL_HTTP_TOKEN: reader } });
    await eventually(async () => {
      expect((await get(`${gateway.adminUrl}/readyz`)).status).toBe(200);
    });
    expect((await get(`${gateway.adminUrl}/api/services`)).body).not.toContain('payments');
  });
});
