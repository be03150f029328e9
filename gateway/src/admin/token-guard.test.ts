import { describe, expect, it } from 'vitest';

import { mayNotChange } from './token-guard.ts';

describe('mayNotChange', () => {
  it('lets this machine change things while no token is set, and nobody else', () => {
    expect(mayNotChange('loopback', 'off', undefined)).toBeUndefined();
    expect(mayNotChange('network', 'off', 'Bearer guess')?.status).toBe(403);
  });

  it.each([
    ['the token', 'Bearer s3cret-token', undefined],
    ['the scheme in another case', 'bearer s3cret-token', undefined],
    ['nothing', undefined, 401],
    ['another token', 'Bearer s3cret-tokem', 401],
    ['a beginning of it', 'Bearer s3cret', 401],
    ['another scheme', 'Basic s3cret-token', 401],
    ['an empty token', 'Bearer ', 401],
  ])('with a token set, given %s', (_what, authorization, status) => {
    expect(mayNotChange('loopback', 's3cret-token', authorization)?.status).toBe(status);
    expect(mayNotChange('network', 's3cret-token', authorization)?.status).toBe(status);
  });
});
