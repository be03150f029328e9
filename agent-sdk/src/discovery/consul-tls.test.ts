import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createPlainServer } from 'node:http';
import { createSecureServer, type Http2Session } from 'node:http2';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { certificate, privateKey } from '../../../test/kit/certificate.ts';
import { eventually } from '../../../test/kit/eventually.ts';
import { createConsulClient } from './consul-client.ts';
import { type ConsulOptions, consulSettings } from './environment.ts';

const directory = mkdtempSync(join(tmpdir(), 'consul-tls-'));
const certFile = join(directory, 'cert.pem');
const keyFile = join(directory, 'key.pem');
const clientCertificates: boolean[] = [];
const server = createServer(
  { cert: certificate, key: privateKey, ca: certificate, requestCert: true, rejectUnauthorized: false },
  (request, response) => {
    clientCertificates.push('authorized' in request.socket && request.socket.authorized === true);
    response.end('{}');
  },
);
let address = '';

beforeAll(async () => {
  writeFileSync(certFile, certificate);
  writeFileSync(keyFile, privateKey);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  rmSync(directory, { recursive: true });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** `reached`, or the message of the failure. */
async function reach(options: ConsulOptions): Promise<string> {
  const result = consulSettings({}, { address, ...options });
  if (result.kind === 'invalid') throw new Error(result.problems.join());
  const client = createConsulClient(result.settings);
  try {
    await client.agentServices({ signal: new AbortController().signal });
    return 'reached';
  } catch (error) {
    return String(error);
  } finally {
    client.close();
  }
}

describe('createConsulClient over TLS', () => {
  it('refuses a certificate that nobody vouches for, and says what to set', async () => {
    expect(await reach({ serverName: 'consul.test' })).toMatch(/DEPTH_ZERO_SELF_SIGNED_CERT.*CONSUL_CACERT/u);
  });

  it('believes the CA of a file or of a directory', async () => {
    expect(await reach({ caFile: certFile, serverName: 'consul.test' })).toBe('reached');
    expect(await reach({ caPath: directory, serverName: 'consul.test' })).toBe('reached');
  });

  it('refuses a certificate for another name', async () => {
    expect(await reach({ caFile: certFile })).toMatch(
      /ERR_TLS_CERT_ALTNAME_INVALID.*CONSUL_TLS_SERVER_NAME/u,
    );
  });

  it('checks nothing when told so', async () => {
    expect(await reach({ sslVerify: 'false' })).toBe('reached');
  });

  it('shows its own certificate', async () => {
    const own = { clientCert: certFile, clientKey: keyFile };
    await reach({ caFile: certFile, serverName: 'consul.test' });
    expect(clientCertificates.at(-1)).toBe(false);
    await reach({ caFile: certFile, serverName: 'consul.test', ...own });
    expect(clientCertificates.at(-1)).toBe(true);
  });

  it('says so when the port speaks plain HTTP', async () => {
    const plain = createPlainServer((_request, response) => response.end('{}'));
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const { port } = plain.address() as AddressInfo;
    expect(await reach({ address: `https://127.0.0.1:${port}` })).toContain('is it the plain HTTP port?');
    plain.closeAllConnections();
    await new Promise((resolve) => plain.close(resolve));
  });

  it('refuses a directory without any certificate', async () => {
    const empty = mkdtempSync(join(tmpdir(), 'consul-tls-'));
    await expect(reach({ caPath: empty })).rejects.toThrow(/No PEM certificate/u);
    rmSync(empty, { recursive: true });
  });
});

describe('createConsulClient over HTTP/2', () => {
  it('holds hundreds of blocking reads on few connections, writes, and closes them', async () => {
    const requests: string[] = [];
    const sessions = new Set<Http2Session>();
    const agent = createSecureServer({
      cert: certificate,
      key: privateKey,
      settings: { maxConcurrentStreams: 250 },
    });
    agent.on('session', (session) => {
      sessions.add(session);
      session.once('close', () => sessions.delete(session));
    });
    let blocked = 0;
    agent.on('stream', (stream, headers) => {
      requests.push(`${headers[':method'] ?? ''} ${headers[':path'] ?? ''}`);
      stream.on('error', () => undefined);
      if (headers[':path']?.includes('index=') === true) {
        blocked += 1;
        return;
      }
      stream.respond({ ':status': 200, 'x-consul-index': '7', 'content-type': 'application/json' });
      stream.end('[]');
    });
    await new Promise<void>((resolve) => agent.listen(0, '127.0.0.1', resolve));
    const { port } = agent.address() as AddressInfo;
    const result = consulSettings(
      {},
      { address: `https://127.0.0.1:${port}`, caFile: certFile, serverName: 'consul.test' },
    );
    if (result.kind === 'invalid') throw new Error(result.problems.join());
    const client = createConsulClient(result.settings);
    const end = new AbortController();
    const { signal } = end;

    expect(await client.serviceHealth('a b', { signal })).toMatchObject({ body: [], index: '7' });
    expect(client.budget.seats).toBe(Infinity);
    await client.passCheck('c', 'fine', signal);
    expect(requests).toEqual([
      'GET /v1/health/service/a%20b?stale=1',
      'PUT /v1/agent/check/pass/c?note=fine',
    ]);
    const reads = Array.from({ length: 300 }, () => client.serviceHealth('a', { signal, index: '7' }));
    const failures = Promise.all(reads.map((read) => read.catch(() => 'ended')));
    await eventually(() => {
      expect(blocked).toBe(300);
    });
    expect(sessions.size).toBeLessThanOrEqual(3);
    expect(await client.serviceHealth('b', { signal })).toMatchObject({ index: '7' });
    end.abort();
    expect(new Set(await failures)).toEqual(new Set(['ended']));
    client.close();
    await eventually(() => {
      expect(sessions.size).toBe(0);
    });
    await new Promise((resolve) => agent.close(resolve));
    await expect(client.serviceHealth('a', { signal: new AbortController().signal })).rejects.toMatchObject({
      failure: 'unreachable',
    });
  });
});
