import { describe, expect, it } from 'vitest';

import { formatConsulAddress, isLoopbackAddress } from './consul-address.ts';
import { type ConsulOptions, type ConsulSettings, consulSettings } from './environment.ts';

function settingsOf(env: Record<string, string>, options?: ConsulOptions): ConsulSettings {
  const result = consulSettings(env, options);
  if (result.kind === 'invalid') throw new Error(result.problems.join('\n'));
  return result.settings;
}

function warningsOf(env: Record<string, string>): string {
  const result = consulSettings(env);
  if (result.kind === 'invalid') throw new Error(result.problems.join('\n'));
  return result.warnings.join('\n');
}

function problemsOf(env: Record<string, string>): readonly string[] {
  const result = consulSettings(env);
  if (result.kind === 'ok') throw new Error('expected problems');
  return result.problems;
}

const addressOf = (address: string, env: Record<string, string> = {}): string =>
  formatConsulAddress(settingsOf({ ...env, CONSUL_HTTP_ADDR: address }).address.value);

describe('consulSettings', () => {
  it('points at the local agent when nothing is set', () => {
    const settings = settingsOf({});
    expect(formatConsulAddress(settings.address.value)).toBe('http://127.0.0.1:8500');
    expect(settings.address.origin).toBe('default');
    expect(settings.token).toBeUndefined();
    expect(settings.tls.verify).toEqual({ value: 'verify', origin: 'default' });
    expect(warningsOf({})).toBe('');
  });

  it.each([
    ['consul:8500', 'http://consul:8500'],
    ['10.0.0.1:8500', 'http://10.0.0.1:8500'],
    ['http://consul:8500', 'http://consul:8500'],
    ['HTTPS://Consul.Example:8501', 'https://consul.example:8501'],
    ['https://consul.example', 'https://consul.example:443'],
    ['[::1]:8500', 'http://[::1]:8500'],
    ['http://proxy:80/consul/', 'http://proxy:80/consul'],
    ['unix:///run/consul.sock', 'unix:///run/consul.sock'],
    ['  consul:8500 ', 'http://consul:8500'],
  ])('reads the address %s', (text, url) => {
    expect(addressOf(text)).toBe(url);
  });

  it('speaks TLS when CONSUL_HTTP_SSL says so, whatever the scheme', () => {
    expect(addressOf('consul:8501', { CONSUL_HTTP_SSL: 'true' })).toBe('https://consul:8501');
    expect(addressOf('http://consul:8501', { CONSUL_HTTP_SSL: '1' })).toBe('https://consul:8501');
    expect(addressOf('http://consul:8500', { CONSUL_HTTP_SSL: 'F' })).toBe('http://consul:8500');
    expect(formatConsulAddress(settingsOf({ CONSUL_HTTP_SSL: 't' }).address.value)).toBe(
      'https://127.0.0.1:8500',
    );
  });

  it('prefers an option to its variable and says which won', () => {
    const settings = settingsOf(
      { CONSUL_HTTP_ADDR: 'env:1', CONSUL_HTTP_TOKEN: 'env' },
      { address: 'code:2' },
    );
    expect(settings.address).toMatchObject({ value: { host: 'code', port: 2 }, origin: 'option address' });
    expect(settings.token).toEqual({ value: 'env', origin: 'CONSUL_HTTP_TOKEN' });
  });

  it('lets a token in code win over a token file in the environment', () => {
    const env = { CONSUL_HTTP_TOKEN_FILE: '/run/token', CONSUL_HTTP_TOKEN: 'env' };
    expect(settingsOf(env, { token: 'code' }).tokenFile).toBeUndefined();
    expect(settingsOf(env).tokenFile?.value).toBe('/run/token');
  });

  it('takes an empty variable for an unset one', () => {
    const settings = settingsOf({ CONSUL_HTTP_ADDR: '', CONSUL_HTTP_TOKEN: '', CONSUL_HTTP_SSL: '' });
    expect(settings.address.origin).toBe('default');
    expect(settings.token).toBeUndefined();
  });

  it('reads every other variable of the family', () => {
    const settings = settingsOf({
      CONSUL_HTTP_ADDR: 'https://consul:8501',
      CONSUL_HTTP_AUTH: 'me:a:b',
      CONSUL_HTTP_SSL_VERIFY: 'false',
      CONSUL_CACERT: '/ca.pem',
      CONSUL_CAPATH: '/cas',
      CONSUL_CLIENT_CERT: '/cert.pem',
      CONSUL_CLIENT_KEY: '/key.pem',
      CONSUL_TLS_SERVER_NAME: 'server.dc1.consul',
      CONSUL_NAMESPACE: 'team',
      CONSUL_PARTITION: 'part',
    });
    expect(settings.basicAuth?.value).toEqual({ username: 'me', password: 'a:b' });
    expect(settings.tls).toMatchObject({
      verify: { value: 'skip', origin: 'CONSUL_HTTP_SSL_VERIFY' },
      caFile: { value: '/ca.pem' },
      caPath: { value: '/cas' },
      clientCert: { value: '/cert.pem' },
      clientKey: { value: '/key.pem' },
      serverName: { value: 'server.dc1.consul' },
    });
    expect(settings.namespace?.value).toBe('team');
    expect(settings.partition?.value).toBe('part');
  });

  it('reports all problems at once, each with its place', () => {
    const problems = problemsOf({
      CONSUL_HTTP_ADDR: 'tcp://consul:8500',
      CONSUL_HTTP_SSL_VERIFY: 'yes',
      CONSUL_HTTP_TOKEN: 'secret\n',
      CONSUL_CLIENT_CERT: '/cert.pem',
    });
    expect(problems).toHaveLength(4);
    expect(problems.map((problem) => problem.split(':')[0]).sort()).toEqual([
      'CONSUL_CLIENT_CERT',
      'CONSUL_HTTP_ADDR',
      'CONSUL_HTTP_SSL_VERIFY',
      'CONSUL_HTTP_TOKEN',
    ]);
    expect(problems.join('\n')).not.toContain('secret');
  });

  it.each([
    'http://',
    'consul:99999',
    'http://a b:1',
    'unix://relative.sock',
    'consul:8500?x=1',
    'consul:8500#x',
    '::1',
  ])('refuses the address %s', (address) => {
    expect(problemsOf({ CONSUL_HTTP_ADDR: address })).toHaveLength(1);
  });

  it('refuses credentials in the address without repeating them', () => {
    const [problem = ''] = problemsOf({ CONSUL_HTTP_ADDR: 'http://me:hunter2@consul:8500' });
    expect(problem).toContain('CONSUL_HTTP_AUTH');
    expect(problem).not.toContain('hunter2');
  });

  it('refuses a unix socket together with TLS', () => {
    expect(problemsOf({ CONSUL_HTTP_ADDR: 'unix:///s', CONSUL_HTTP_SSL: 'true' })).toHaveLength(1);
  });

  it('warns of a token that travels in the clear', () => {
    const remote = { CONSUL_HTTP_ADDR: 'http://10.0.0.1:8500', CONSUL_HTTP_TOKEN: 'secret' };
    expect(warningsOf(remote)).toContain('unencrypted');
    expect(warningsOf(remote)).not.toContain('secret');
    expect(warningsOf({ ...remote, CONSUL_HTTP_ADDR: 'https://10.0.0.1:8501' })).toBe('');
    expect(warningsOf({ ...remote, CONSUL_HTTP_ADDR: 'localhost:8500' })).toBe('');
    expect(warningsOf({ ...remote, CONSUL_HTTP_ADDR: 'unix:///run/consul.sock' })).toBe('');
  });

  it('warns of a port that was left out, of TLS files without TLS, and of unverified certificates', () => {
    expect(warningsOf({ CONSUL_HTTP_ADDR: 'consul' })).toContain('8500');
    expect(warningsOf({ CONSUL_CACERT: '/ca.pem' })).toContain('CONSUL_CACERT');
    expect(warningsOf({ CONSUL_HTTP_ADDR: 'https://c:1', CONSUL_HTTP_SSL_VERIFY: '0' })).toContain(
      'verification off',
    );
  });
});

describe('isLoopbackAddress', () => {
  it.each([
    ['127.0.0.1:1', true],
    ['127.1.2.3:1', true],
    ['localhost:1', true],
    ['[::1]:1', true],
    ['unix:///s', true],
    ['127.0.0.1.example.org:1', false],
    ['10.0.0.1:1', false],
    ['localhost.example.org:1', false],
  ])('tells whether %s stays on this machine', (text, expected) => {
    expect(isLoopbackAddress(settingsOf({ CONSUL_HTTP_ADDR: text }).address.value)).toBe(expected);
  });
});
