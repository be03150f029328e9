import { compareSnapshots, type Instance, type Snapshot } from '@roundhouse/agent-sdk/internal';
import { describe, expect, it } from 'vitest';

import { instance as anInstance } from '../../../test/kit/builders.ts';
import type { ServiceChange } from '../registry/registry-listener.ts';
import { createRegistryLog, routeLines, snapshotLines, type LoggedRoute } from './registry-log.ts';

const instance = (id: string, more: Partial<Instance> = {}): Instance =>
  anInstance(id, { service: 'api-service', address: '10.0.0.4', port: 41_823, ...more });

const snapshot = (...instances: Instance[]): Snapshot => ({
  service: 'api-service',
  index: '1',
  instances,
  quarantined: [],
  held: [],
});

describe('snapshotLines', () => {
  it('tells who came, went and changed', () => {
    const before = snapshot(instance('api-service-a'), instance('b'), instance('c'));
    const after = snapshot(
      instance('b', { status: 'critical', weight: 3 }),
      instance('c', { tags: ['v2'] }),
      instance('x7k2', { address: 'fd00::4' }),
    );
    expect(snapshotLines(compareSnapshots(before, after), ['/api', 'example.org/v1'])).toEqual([
      '+ api-service x7k2 [fd00::4]:41823 → /api, example.org/v1',
      '- api-service a 10.0.0.4:41823',
      '~ api-service b 10.0.0.4:41823 passing → critical, weight 1 → 3',
      '~ api-service c 10.0.0.4:41823 tags or meta changed',
    ]);
  });

  it('tells of the first snapshot, of a service that nothing leads to, and of a record that is not believed, once', () => {
    const bad = { node: 'n', id: 'z', reason: 'port 0 is not in 1..65535' };
    const first = { ...snapshot(instance('a', { status: 'warning' })), quarantined: [bad] };
    expect(snapshotLines(compareSnapshots(undefined, first), [])).toEqual([
      '+ api-service a 10.0.0.4:41823 (no route) (warning)',
      '! api-service z on n is not used: port 0 is not in 1..65535',
    ]);
    expect(snapshotLines(compareSnapshots(first, first), [])).toEqual([]);
  });
});

describe('routeLines', () => {
  const at = (prefix: string, service: string): LoggedRoute => ({
    host: undefined,
    prefix,
    service,
    source: 'registry',
  });

  it('tells which routes came, went and lead elsewhere', () => {
    expect(
      routeLines(
        [at('/a', 'x'), at('/b', 'x'), at('/c', 'x')],
        [at('/b', 'y'), at('/c', 'x'), at('/d', 'z')],
      ),
    ).toEqual(['~ route /b x → y (registry)', '+ route /d → z (registry)', '- route /a → x']);
  });
});

describe('createRegistryLog', () => {
  function world() {
    const lines: string[] = [];
    const at = (level: string) => (line: string) => void lines.push(`${level} ${line}`);
    const quiet = (): void => undefined;
    const log = createRegistryLog({
      trace: quiet,
      debug: quiet,
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
    });
    return { log, lines };
  }
  const change = (more: Partial<ServiceChange>): ServiceChange => ({
    service: 'api',
    instances: compareSnapshots(snapshot(), snapshot()),
    routes: [],
    settings: undefined,
    held: [],
    heldBecause: undefined,
    invalidTags: [],
    invalidSettings: [],
    ...more,
  });
  const of = { source: 'consul', attempt: 1, message: 'Consul is gone.' } as const;

  it('counts all changes, and sums up what would flood the log', () => {
    const { log, lines } = world();
    const many = Array.from({ length: 200 }, (_, i) => instance(`i${i}`));
    log.serviceChanged?.(change({ instances: compareSnapshots(undefined, snapshot(...many)) }));
    expect(log.changes()).toBe(200);
    expect(lines).toHaveLength(51);
    expect(lines.at(-1)).toBe('info … and 150 more changes');
  });

  it('writes what of a service is ignored, held and dropped', () => {
    const { log, lines } = world();
    const held = [instance('a'), instance('b')];
    log.serviceChanged?.(
      change({
        invalidTags: [{ invalid: 'urlprefix-:80', reason: 'no path' }],
        invalidSettings: [{ setting: 'panic-ratio=2', allowed: 'a number from 0 to 1' }],
        held,
        heldBecause: 'no_leader',
      }),
    );
    log.instancesLetGo?.({ service: 'api', instances: held, reason: 'released by the operator' });
    expect(lines).toEqual([
      'warn api: ignored the invalid tag "urlprefix-:80": no path',
      'warn api: ignored the invalid setting "panic-ratio=2"; allowed: a number from 0 to 1',
      'warn api: the registry no longer lists a, b, in an answer without a leader. The gateway keeps them while they answer.',
      'warn api: dropped a, b: released by the operator.',
    ]);
  });

  it('writes an outage once for each failure, for the catalog alone, and a forbidden token as an error', () => {
    const { log, lines } = world();
    log.watchChanged?.({ ...of, kind: 'stale', of: 'catalog', failure: 'unreachable' });
    log.watchChanged?.({ ...of, kind: 'stale', of: 'api', failure: 'unreachable' });
    log.watchChanged?.({ ...of, kind: 'stale', of: 'catalog', failure: 'unreachable', attempt: 2 });
    log.watchChanged?.({ ...of, kind: 'stale', of: 'catalog', failure: 'unreachable', attempt: 100 });
    log.watchChanged?.({ ...of, kind: 'stale', of: 'catalog', failure: 'forbidden', attempt: 101 });
    log.watchChanged?.({ kind: 'live', source: 'consul', of: 'catalog' });
    log.watchChanged?.({ ...of, kind: 'stale', of: 'api', failure: 'forbidden' });
    const text = 'Consul is gone. Serving the last known instances.';
    expect(lines).toEqual([
      `warn ${text}`,
      `warn ${text}`,
      `error ${text}`,
      'info Following the registry again.',
      `error ${text}`,
    ]);
  });
});
