import { describe, expect, it } from 'vitest';

import { parseCoreList } from './cores.ts';

describe('parseCoreList', () => {
  it('reads single cores and ranges', () => {
    expect(parseCoreList('\t0-2,5,8-9\n')).toEqual([0, 1, 2, 5, 8, 9]);
    expect(parseCoreList('3')).toEqual([3]);
  });

  it('finds no cores in what is no list', () => {
    expect(parseCoreList('')).toEqual([]);
    expect(parseCoreList('all')).toEqual([]);
  });
});
