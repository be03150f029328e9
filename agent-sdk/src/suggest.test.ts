import { describe, expect, it } from 'vitest';

import { suggest } from './suggest.ts';

describe('suggest', () => {
  it('finds a misspelt name: swapped, missing, other case', () => {
    expect(suggest('prot', ['host', 'port'])).toBe('port');
    expect(suggest('trustedproxys', ['trustedProxies', 'timeouts'])).toBe('trustedProxies');
    expect(suggest('GATEWAY_ADMINPORT', ['GATEWAY_PORT', 'GATEWAY_ADMIN_PORT'])).toBe('GATEWAY_ADMIN_PORT');
  });

  it('stays silent when nothing is close', () => {
    expect(suggest('colour', ['host', 'port'])).toBeUndefined();
    expect(suggest('x'.repeat(10_000), ['host'])).toBeUndefined();
  });
});
