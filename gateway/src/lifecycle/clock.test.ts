import { describe, expect, it } from 'vitest';

import { createRequestIds } from './clock.ts';

describe('createRequestIds', () => {
  it('gives ids of 24 hex digits that neither repeat nor count', () => {
    const next = createRequestIds();
    const ids = Array.from({ length: 2_000 }, next);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{24}$/);
    // Two neighbours have no more in common than chance gives: an equal start of 6 digits is one in 16 million.
    const alike = ids.filter((id, i) => ids[i + 1]?.slice(0, 6) === id.slice(0, 6));
    expect(alike.length).toBeLessThan(2);
  });
});
