import { expect, it } from 'vitest';

import { consulOrSkip, findConsul, startRealConsul } from '../kit/real-consul.ts';
import { httpCall } from './http-call.ts';
import { registryContract } from './registry.contract.ts';

consulOrSkip('a real agent keeps the registry contract', (path) => {
  registryContract(() => startRealConsul({ path }));
});

consulOrSkip('a real agent under test', (path) => {
  it('comes back on its own port with nothing in it after a restart, and is gone after its block', async () => {
    let address: string;
    {
      await using consul = await startRealConsul({ path });
      ({ address } = consul);
      await httpCall(address).put('/agent/service/register', { Name: 'api' });
      expect((await httpCall(address).get('/agent/services')).json).toHaveProperty('api');
      await consul.kill();
      await expect(httpCall(address).get('/agent/services')).rejects.toThrow();
      await consul.restart();
      expect((await httpCall(address).get('/agent/services')).json).toEqual({});
    }
    await expect(httpCall(address).get('/agent/services')).rejects.toThrow();
  });
});

it('says why there is no Consul and how to get one', () => {
  expect(findConsul({ CONSUL_BIN: '/nowhere/consul', PATH: process.env['PATH'] })).toEqual({
    missing: expect.stringMatching(/CONSUL_BIN=\/nowhere\/consul.*consul\/install/) as string,
  });
  expect(findConsul({ PATH: '/nowhere' })).toEqual({
    missing: expect.stringMatching(/no consul on the PATH.*CONSUL_BIN/) as string,
  });
});
