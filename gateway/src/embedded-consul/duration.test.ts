import { describe, expect, it } from 'vitest';

import { parseDurationMs } from './duration.ts';

describe('durations in Go notation', () => {
  it.each([
    ['10s', 10_000],
    ['1m30s', 90_000],
    ['250ms', 250],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['100us', 0.1],
    ['0', 0],
  ])('reads the duration %s', (text, ms) => {
    expect(parseDurationMs(text)).toBeCloseTo(ms, 9);
  });

  it.each(['', '10', 's', '1x', '1s ', ' 1s', '1,5s', '+', '-', '1s2', '-1s', '١s', '1e3s', '.s'])(
    'takes %j for no duration',
    (text) => {
      expect(parseDurationMs(text)).toBeUndefined();
    },
  );

  it('decides quickly on a hostile duration', () => {
    const begunMs = performance.now();
    expect(parseDurationMs(`${'1s'.repeat(50_000)}x`)).toBeUndefined();
    expect(parseDurationMs(`${'9'.repeat(100_000)}x`)).toBeUndefined();
    expect(performance.now() - begunMs).toBeLessThan(1_000);
  });
});
