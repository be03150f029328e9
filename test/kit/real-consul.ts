import { describe, expect, it } from 'vitest';

import { findConsul } from './consul-agent.ts';

export { findConsul, startRealConsul } from './consul-agent.ts';
export type { ConsulSearch, RealConsul } from './consul-agent.ts';

/**
 * Describes tests that need a real Consul. Without one they are listed as skipped, with the reason and how to get it;
 * with `CI=true` that is a failure instead.
 */
export function consulOrSkip(title: string, suite: (path: string) => void): void {
  const consul = findConsul();
  if ('path' in consul) {
    describe(`${title} (Consul ${consul.version})`, () => {
      suite(consul.path);
    });
    return;
  }
  const skipped = `${title} (skipped: ${consul.missing})`;
  if (process.env['CI'] !== 'true') {
    describe.skip(skipped, () => {
      suite('');
    });
    return;
  }
  it(`${title} has a Consul to run against`, () => {
    expect.fail(`CI=true and ${consul.missing}`);
  });
}
