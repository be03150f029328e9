import { expect, it } from 'vitest';

import { eventually } from '../../../test/kit/eventually.ts';
import { createPoolKeeper } from './pool-keeper.ts';

it('looks at the pools once for many changes, and again after the next one', async () => {
  let looks = 0;
  const pools = createPoolKeeper(() => {
    looks += 1;
  });
  for (let i = 0; i < 10; i += 1) pools.serviceChanged();
  expect(looks).toBe(0);
  await eventually(() => {
    expect(looks).toBe(1);
  });
  pools.serviceChanged();
  await eventually(() => {
    expect(looks).toBe(2);
  });
  pools.stop();
});
