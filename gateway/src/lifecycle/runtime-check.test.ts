import { describe, expect, it } from 'vitest';

import { runtimeWarnings } from './runtime-check.ts';

describe('runtimeWarnings', () => {
  it.each(['22.23.2', '22.24.0', '24.18.1', '24.21.0', '26.5.1', '28.0.0'])(
    'is content with Node %s',
    (version) => {
      expect(runtimeWarnings(version)).toEqual([]);
    },
  );

  it.each(['20.20.2', '21.7.3', '22.23.1', '23.11.0', '24.18.0', '26.4.9'])('warns of Node %s', (version) => {
    expect(runtimeWarnings(version)).toHaveLength(1);
  });
});
