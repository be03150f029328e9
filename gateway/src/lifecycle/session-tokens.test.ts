import { expect, it } from 'vitest';

import { createSessionTokens } from './session-tokens.ts';

it('gives the same token on every gateway with the same secret, and another with another', () => {
  const [one, two, other] = ['a-secret-of-a-fleet', 'a-secret-of-a-fleet', 'another-secret-here'].map(
    createSessionTokens,
  );
  expect(one?.('api', 'dc1/n/x')).toMatch(/^[A-Za-z0-9_-]{22}$/);
  expect(one?.('api', 'dc1/n/x')).toBe(two?.('api', 'dc1/n/x'));
  expect(one?.('api', 'dc1/n/x')).not.toBe(other?.('api', 'dc1/n/x'));
  expect(one?.('api', 'dc1/n/y')).not.toBe(one?.('api', 'dc1/n/x'));
  expect(one?.('apid', 'c1/n/x')).not.toBe(one?.('api', 'dc1/n/x'));
});

it('draws a secret of its own when it is told to', () => {
  expect(createSessionTokens('random')('a', 'b')).not.toBe(createSessionTokens('random')('a', 'b'));
});
