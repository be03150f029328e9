import { describe, expect, it } from 'vitest';

import { blockingTimeMs, checkQuery, readBlockingOptions, readFlag } from './read-query.ts';

const options = (query: string): ReturnType<typeof readBlockingOptions> =>
  readBlockingOptions(new URLSearchParams(query));

describe('options of a read', () => {
  it('waits 5 minutes without a wait, and for 0', () => {
    for (const query of ['index=7', 'index=7&wait=0s', 'index=7&wait='])
      expect(options(query)).toEqual({ minIndex: 7, waitMs: 300_000 });
  });

  it('waits 10 minutes at most', () => {
    expect(options('index=1&wait=24h').waitMs).toBe(600_000);
  });

  it('adds up to a sixteenth of the wait', () => {
    expect(blockingTimeMs(160, 0)).toBe(160);
    expect(blockingTimeMs(160, 1)).toBe(170);
  });

  it('refuses with 501 what would change the answer and is not there, and takes what would not', () => {
    const check = (query: string): void => {
      checkQuery(new URLSearchParams(query), ['index', 'wait'], 'dc1');
    };
    for (const query of ['filter=x', 'peer=x', 'ns=team', 'partition=p', 'node-meta=a:b', 'tag=a', 'raw']) {
      expect(() => {
        check(query);
      }).toThrow(expect.objectContaining({ status: 501 }) as Error);
    }
    check('ns=default&partition=&near=_agent&cached&token=x&dc=dc1&stale&index=1&wait=1s');
  });

  it('takes a flag without a value for set', () => {
    const read = (query: string): boolean => readFlag(new URLSearchParams(query), 'passing');
    expect([read('passing'), read('passing=true'), read('passing=1')]).toEqual([true, true, true]);
    expect([read('passing=0'), read('passing=false'), read('')]).toEqual([false, false, false]);
    expect(() => read('passing=maybe')).toThrow(/passing/);
  });
});
