import { execFileSync } from 'node:child_process';

import { describe, expect, it } from 'vitest';

import { descriptorBudget, descriptorLimit } from './descriptors.ts';

describe('descriptors', () => {
  it('gives each side half of what is left after the reserve', () => {
    expect([256, 1_024, 65_536].map((limit) => descriptorBudget(limit).clients)).toEqual([96, 384, 32_512]);
    expect(descriptorBudget(1_024)).toEqual({ clients: 384, instances: 384, admin: 64 });
    expect(descriptorBudget(Infinity).admin).toBe(128);
    expect(descriptorBudget(Infinity).clients).toBe(Infinity);
    expect(descriptorBudget(1).clients).toBe(1);
  });

  it('reads the limit of this process', () => {
    const text = execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim();
    expect(descriptorLimit()).toBe(text === 'unlimited' ? Infinity : Number(text));
  });
});
