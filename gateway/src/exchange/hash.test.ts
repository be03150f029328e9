import { describe, expect, it } from 'vitest';

import { hash32 } from './hash.ts';

/** Chi-squared of the spread of hashes over buckets. For 255 degrees of freedom, 1 in 10,000 even spreads lies above 348. */
function chiSquared(texts: readonly string[], bucketOf: (hash: number) => number): number {
  const buckets = new Array<number>(256).fill(0);
  for (const text of texts) buckets[bucketOf(hash32(text))]! += 1;
  const expected = texts.length / 256;
  return buckets.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

const numbers = Array.from({ length: 65_536 }, (_, i) => i);
const samples: readonly (readonly [string, readonly string[]])[] = [
  ['client addresses', numbers.map((i) => `10.0.${i >> 8}.${i & 255}`)],
  ['IPv6 addresses', numbers.map((i) => `2001:db8::${i.toString(16)}`)],
  ['counters', numbers.map(String)],
  ['paths', numbers.map((i) => `/api/users/${i}/orders`)],
];

describe('hash32', () => {
  it('is an unsigned 32-bit integer, the same for the same text on every gateway', () => {
    expect([hash32(''), hash32('a'), hash32('192.0.2.7'), hash32('/api/x')]).toEqual([
      2_872_998_923, 444_641_715, 2_792_370_494, 2_640_023_301,
    ]);
  });

  it.each(samples)('spreads %s evenly, by its high bits and by its low ones', (_, texts) => {
    expect(chiSquared(texts, (hash) => hash >>> 24)).toBeLessThan(348);
    expect(chiSquared(texts, (hash) => hash & 255)).toBeLessThan(348);
    expect(chiSquared(texts, (hash) => (hash >>> 12) & 255)).toBeLessThan(348);
  });

  it('changes half of the bits when one of the text changes', () => {
    let changed = 0;
    for (const i of numbers) {
      let difference = (hash32(`10.0.0.${i}`) ^ hash32(`10.0.1.${i}`)) >>> 0;
      for (; difference !== 0; difference &= difference - 1) changed += 1;
    }
    expect(changed / numbers.length / 32).toBeCloseTo(0.5, 2);
  });
});
