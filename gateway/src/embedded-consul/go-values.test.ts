import { describe, expect, it } from 'vitest';

import { parseGoBool, parseGoDuration, parseUint64 } from './go-values.ts';

describe('Go notation', () => {
  it.each([
    ['10s', 10_000],
    ['1m30s', 90_000],
    ['250ms', 250],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['100us', 0.1],
    ['0', 0],
    ['-1s', -1_000],
  ])('reads the duration %s', (text, ms) => {
    expect(parseGoDuration(text)).toBeCloseTo(ms, 9);
  });

  it.each(['', '10', 's', '1x', '1s ', ' 1s', '1,5s', '+', '-', '1s2', '١s', '1e3s', '.s'])(
    'takes %j for no duration',
    (text) => {
      expect(parseGoDuration(text)).toBeUndefined();
    },
  );

  it('settles quickly on a hostile duration', () => {
    const begunMs = performance.now();
    expect(parseGoDuration(`${'1s'.repeat(50_000)}x`)).toBeUndefined();
    expect(parseGoDuration(`${'9'.repeat(100_000)}x`)).toBeUndefined();
    expect(performance.now() - begunMs).toBeLessThan(1_000);
  });

  it('reads booleans as strconv does, and no others', () => {
    expect(['1', 't', 'TRUE', 'True'].map(parseGoBool)).toEqual([true, true, true, true]);
    expect(['0', 'F', 'false'].map(parseGoBool)).toEqual([false, false, false]);
    expect(['', 'yes', 'tRUE', '2'].map(parseGoBool)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('reads unsigned integers up to 64 bits', () => {
    expect(parseUint64('0')).toBe(0);
    expect(parseUint64('18446744073709551615')).toBe(2 ** 64);
    expect(['18446744073709551616', '-1', '+1', '1.0', '', '0x1'].map(parseUint64)).toEqual(
      Array.from({ length: 6 }, () => undefined),
    );
  });
});
