import { expect, it } from 'vitest';

import { instance, snapshot } from '../../../../test/kit/builders.ts';
import { claimsOf } from './claims.ts';

it('reads the tags of its own prefix, and no others', () => {
  const tags = ['urlprefix-/in', 'public-/out strip=/out', 'public-:80'];
  const { claims, invalid } = claimsOf(snapshot('shop', [instance('a', { tags })]), 'public-');
  expect(claims.map(({ claim }) => claim)).toEqual([
    { host: undefined, prefix: '/out', strip: '/out', tag: 'public-/out strip=/out' },
  ]);
  expect(invalid).toMatchObject([{ invalid: 'public-:80' }]);
});

it('follows the oldest claims of a service that claims too many routes, whatever its newest record claims', () => {
  const flood = Array.from({ length: 1001 }, (_, index) => `urlprefix-/flood/${index}`);
  const { claims, invalid } = claimsOf(
    snapshot('api', [
      instance('a-bad', { tags: flood, createIndex: 9 }),
      instance('b', { tags: ['urlprefix-/api'], createIndex: 5 }),
    ]),
  );
  expect(claims).toHaveLength(1000);
  expect(claims.map(({ claim }) => claim.prefix)).toContain('/api');
  expect(invalid).toHaveLength(2);
});
