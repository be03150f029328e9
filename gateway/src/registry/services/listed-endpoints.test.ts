import { compareSnapshots, fixedSnapshot, type Snapshot } from '@roundhouse/agent-sdk/internal';
import { expect, it } from 'vitest';

import { ListedEndpoints } from './listed-endpoints.ts';

const snapshot = (...ports: readonly number[]): Snapshot =>
  fixedSnapshot(
    'api',
    ports.map((port) => ({ address: '10.0.0.1', port })),
  );

const shown = (listed: ListedEndpoints): readonly string[] =>
  [...listed.keys].map((key) => key.slice(key.lastIndexOf(':') + 1)).sort();

it('follows what comes and goes', () => {
  const listed = new ListedEndpoints();
  const [first, second] = [snapshot(1, 2), snapshot(2, 3)];
  listed.follow(compareSnapshots(undefined, first));
  expect(shown(listed)).toEqual(['1', '2']);
  listed.follow(compareSnapshots(first, second));
  expect(shown(listed)).toEqual(['2', '3']);
  listed.follow(compareSnapshots(second, snapshot()));
  expect(shown(listed)).toEqual([]);
});

it('knows the old place of an instance that moved no more, and one that is renewed in place still', () => {
  const listed = new ListedEndpoints();
  const before = snapshot(1, 2);
  const [stays, moves] = before.instances;
  listed.follow(compareSnapshots(undefined, before));
  listed.follow(
    compareSnapshots(before, {
      ...before,
      instances: [
        { ...stays!, weight: 2 },
        { ...moves!, port: 9 },
      ],
    }),
  );
  expect(shown(listed)).toEqual(['1', '9']);
});

it('keeps what another service lists too, whichever lets go first and however often', () => {
  const listed = new ListedEndpoints();
  for (let service = 0; service < 3; service += 1) listed.follow(compareSnapshots(undefined, snapshot(1)));
  listed.follow(compareSnapshots(snapshot(1), snapshot()));
  listed.follow(compareSnapshots(snapshot(1), snapshot()));
  expect(shown(listed)).toEqual(['1']);
  listed.follow(compareSnapshots(snapshot(1), snapshot()));
  expect(shown(listed)).toEqual([]);
});
