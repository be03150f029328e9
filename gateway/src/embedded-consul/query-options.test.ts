import { describe, expect, it } from 'vitest';

import { blockingTimeMs, readFlag, readQueryOptions } from './query-options.ts';

const options = (query: string): ReturnType<typeof readQueryOptions> =>
  readQueryOptions(new URLSearchParams(query), 'dc1');

describe('options of a read', () => {
  it('waits 5 minutes where nothing is said, and for 0 and less', () => {
    for (const query of ['index=7', 'index=7&wait=0s', 'index=7&wait=-3s', 'index=7&wait='])
      expect(options(query)).toMatchObject({ minIndex: 7, waitMs: 300_000 });
  });

  it('waits 10 minutes at most', () => {
    expect(options('index=1&wait=24h').waitMs).toBe(600_000);
  });

  it('adds up to a sixteenth of the wait', () => {
    expect(blockingTimeMs(160, 0)).toBe(160);
    expect(blockingTimeMs(160, 1)).toBe(170);
  });

  it('knows the three consistency modes', () => {
    expect(options('').consistency).toBe('leader');
    expect(options('stale').consistency).toBe('stale');
    expect(options('consistent=').consistency).toBe('consistent');
  });

  it('refuses with 501 what would change the answer and is not there, and takes what would not', () => {
    for (const query of ['filter=x', 'peer=x', 'ns=team', 'partition=p', 'node-meta=a:b'])
      expect(() => options(query)).toThrow(expect.objectContaining({ status: 501 }) as Error);
    expect(options('ns=default&partition=&near=_agent&cached&token=x')).toMatchObject({ minIndex: 0 });
  });

  it('takes a flag without a value for set', () => {
    expect(readFlag(new URLSearchParams('passing'), 'passing')).toBe(true);
    expect(readFlag(new URLSearchParams('passing=0'), 'passing')).toBe(false);
    expect(readFlag(new URLSearchParams(''), 'passing')).toBe(false);
  });
});
