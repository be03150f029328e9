import { createHash, timingSafeEqual } from 'node:crypto';

import type { Exposure } from './host-guard.ts';

/** Why a request that would change something is refused. */
export interface Refusal {
  readonly status: 401 | 403;
  readonly detail: string;
}

/**
 * The refusal of a request that would change something, or undefined. Once a token is set (not `off`), the request has to have it;
 * without one only this machine may change something, so that a listener that others reach changes nothing. Compared in
 * constant time, so that answers don't tell how much of a guess was right.
 */
export function mayNotChange(
  exposure: Exposure,
  token: string,
  authorization: string | undefined,
): Refusal | undefined {
  if (token === 'off') {
    return exposure === 'loopback'
      ? undefined
      : { status: 403, detail: 'This listener is open to others; set admin.token to allow changes.' };
  }
  const given = /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  if (given !== undefined && timingSafeEqual(digest(given), digest(token))) return undefined;
  return { status: 401, detail: 'Changes need the admin token: Authorization: Bearer …' };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
