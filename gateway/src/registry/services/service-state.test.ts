import { compareSnapshots, type Instance, type Snapshot } from '@roundhouse/agent-sdk/internal';
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { instance, snapshot } from '../../../../test/kit/builders.ts';
import { defaults } from '../../config/defaults.ts';
import { serviceSettings } from '../../config/gateway-config.ts';
import { newServiceState, reduceService, type ServiceStateEvent } from './service-state.ts';

const sources = ['a', 'b'].map((name) => ({ name, trust: 'registry' as const }));

/** A list of one source; instances on odd ports are at a refused address in some policies. */
function listOf(source: string, ports: readonly number[], weight: number, held: readonly number[]): Snapshot {
  const of = (port: number): Instance => instance(`i${port}`, { cluster: source, port, weight });
  const all = snapshot('api', ports.map(of));
  return { ...all, held: ports.filter((port) => held.includes(port)).map((port) => of(port).key) };
}

it('says in its updates, one after the other, exactly how what the gateway uses has changed', () => {
  const ports = fc.subarray([1, 2, 3, 4]);
  const list = fc.record({
    source: fc.constantFrom(...sources),
    ports,
    held: ports,
    weight: fc.constantFrom(1, 2),
  });
  const step = fc.oneof(
    list.map((value) => ({ kind: 'list' as const, ...value })),
    fc.constantFrom('let_go' as const, 'deny_odd' as const, 'deny_none' as const).map((kind) => ({ kind })),
    fc.constantFrom(...sources).map((source) => ({ kind: 'dropped' as const, source: source.name })),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      let state = newServiceState('api', serviceSettings(defaults));
      let isOddDenied = false;
      const used = new Map<string, Instance>();
      for (const one of steps) {
        let event: ServiceStateEvent;
        if (one.kind === 'list') {
          const before = state.inputs.get(one.source.name)?.snapshot;
          const after = listOf(one.source.name, one.ports, one.weight, one.held);
          const value = structuredClone(compareSnapshots(before, after));
          event = { kind: 'source', source: one.source, event: { kind: 'value', value } };
        } else if (one.kind === 'dropped') {
          event = one;
        } else if (one.kind === 'let_go') {
          event = { kind: 'let_go', keys: [...state.held.rows.keys()] };
        } else {
          isOddDenied = one.kind === 'deny_odd';
          event = { kind: 'reconfigured' };
        }
        const next = reduceService(state, event, {
          nowMs: 0,
          holdMs: 30_000,
          onlyTags: [],
          addresses: {
            judge: (_address, port) => (isOddDenied && port % 2 === 1 ? 'odd' : undefined),
            judgeResolved: () => undefined,
          },
          settingsFor: (meta) => serviceSettings(defaults, meta),
        });
        state = next.state;
        const { added = [], removed = [], updated = [] } = next.update?.instances ?? {};
        for (const { key } of removed) expect(used.delete(key)).toBe(true);
        for (const one of added) expect(used.has(one.key)).toBe(false);
        for (const { before } of updated) expect(used.get(before.key)).toEqual(before);
        for (const one of [...added, ...updated.map(({ after }) => after)]) used.set(one.key, one);
        const listed = state.snapshot?.instances ?? [];
        expect([...used.values()].sort((x, y) => (x.key < y.key ? -1 : 1))).toEqual(listed);
        if (isOddDenied) expect(listed.every(({ port }) => port % 2 === 0)).toBe(true);
      }
    }),
  );
});
