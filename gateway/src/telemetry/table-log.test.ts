import { compareSnapshots, type Instance, type Snapshot } from '@roundhouse/agent-sdk/internal';
import { describe, expect, it } from 'vitest';

import { instance as anInstance } from '../../../test/kit/builders.ts';
import { createTableLog, routeLines, snapshotLines, type TableRoute } from './table-log.ts';

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
  const at = (prefix: string, service: string): TableRoute => ({
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

describe('createTableLog', () => {
  it('counts all changes, and sums up what would flood the log', () => {
    const lines: string[] = [];
    const quiet = (): void => undefined;
    const info = (line: string): void => void lines.push(line);
    const table = createTableLog({ trace: quiet, debug: quiet, info, warn: quiet, error: quiet });
    const many = Array.from({ length: 200 }, (_, i) => instance(`i${i}`));
    table.service(compareSnapshots(undefined, snapshot(...many)), ['/api']);
    expect(table.changes()).toBe(200);
    expect(lines).toHaveLength(51);
    expect(lines.at(-1)).toBe('… and 150 more changes');
  });
});
