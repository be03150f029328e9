import { expect, it } from 'vitest';

import { fuzzWire } from '../../../test/fuzz/wire-fuzz.ts';

/** `FUZZ_MESSAGES` and `FUZZ_SEED` make the long run of `npm run fuzz`. */
const messages = Number(process.env['FUZZ_MESSAGES'] ?? 3_000);
const seed = Number(process.env['FUZZ_SEED'] ?? 1);

it(
  `${String(messages)} mutated requests crash, hang, leak and smuggle nothing`,
  async () => {
    const report = await fuzzWire({ seed, messages, concurrency: 16 });
    expect(report).toMatchObject({ messages, ambiguous: [], hung: [], faults: [], leaked: 0 });
    expect(report.forwarded).toBeGreaterThan(messages / 10);
  },
  30_000 + messages * 10,
);
