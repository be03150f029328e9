import { describe, expect, it } from 'vitest';

import { createPushed } from './pushed.ts';

describe('createPushed', () => {
  it('hands on what was pushed before and after the consumer came, and ends with the signal', async () => {
    const pushed = createPushed<number>();
    const end = new AbortController();
    const seen: number[] = [];
    pushed.push(1);
    pushed.push(2);
    for await (const value of pushed.until(end.signal)) {
      seen.push(value);
      if (value === 2) {
        setImmediate(() => {
          pushed.push(3);
        });
      }
      if (value === 3) {
        setImmediate(() => {
          end.abort();
        });
      }
    }
    expect(seen).toEqual([1, 2, 3]);
  });
});
