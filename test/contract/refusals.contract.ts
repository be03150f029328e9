import { expect, it } from 'vitest';

import type { ContractSubject } from './registry.contract.ts';

export function refusalsContract({ http, name }: ContractSubject): void {
  it.each([
    ['nothing', ''],
    ['broken JSON', '{'],
    ['a list', '[]'],
    ['no name', '{}'],
    ['a port in quotes', '{"Name":"x","Port":"80"}'],
    ['a dot in a metadata key', '{"Name":"x","Meta":{"a.b":"c"}}'],
    ['a metadata value above 512', JSON.stringify({ Name: 'x', Meta: { a: 'v'.repeat(513) } })],
    ['weight 0', '{"Name":"x","Weights":{"Passing":0,"Warning":0}}'],
    ['the address 0.0.0.0', '{"Name":"x","Address":"0.0.0.0"}'],
    ['a check of no kind', '{"Name":"x","Check":{"CheckID":"c"}}'],
    ['a TTL that is no duration', '{"Name":"x","Check":{"TTL":"soon"}}'],
    ['an HTTP check without interval', '{"Name":"x","Check":{"HTTP":"http://127.0.0.1/"}}'],
    ['an unknown status', '{"Name":"x","Check":{"TTL":"1s","Status":"fine"}}'],
  ])('turns down a registration with %s', async (_what, body) => {
    const answer = await http().request('PUT', '/agent/service/register', body);
    expect(answer.status).toBe(400);
    expect(answer.text).not.toBe('');
  });

  it('turns down a registration with more than 64 metadata pairs', async () => {
    const meta = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, 'v']));
    const answer = await http().put('/agent/service/register', { Name: name(), Meta: meta });
    expect(answer.status).toBe(400);
  });

  it.each([
    ['an index that is none', 'index=abc'],
    ['a negative index', 'index=-1'],
    ['an index above 64 bits', 'index=99999999999999999999999'],
    ['a wait that is none', 'index=1&wait=10'],
    ['a passing that is neither', 'passing=maybe'],
  ])('turns down a read with %s', async (_what, query) => {
    expect((await http().get(`/health/service/${name()}?${query}`)).status).toBe(400);
  });

  it('turns down a read without a service', async () => {
    expect(await http().get('/health/service/')).toMatchObject({ status: 400, text: 'Missing service name' });
  });

  it('answers 500 for a datacenter that is not its own, and takes its own', async () => {
    const other = await http().get('/catalog/services?dc=elsewhere');
    expect(other).toMatchObject({ status: 500, text: 'No path to datacenter' });
    expect((await http().get('/catalog/services?dc=dc1')).status).toBe(200);
  });

  it('answers 405 with the methods that there are', async () => {
    const wrong = await http().request('GET', '/agent/service/register');
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get('allow')).toMatch(/PUT/);
    expect((await http().request('POST', '/agent/services')).status).toBe(405);
  });

  it('deregisters an unknown service without harm', async () => {
    // 1.8 answers 200, 1.11 and later 404.
    const answer = await http().put(`/agent/service/deregister/${name()}-unknown`);
    expect([200, 404]).toContain(answer.status);
  });
}
