import { createHash, timingSafeEqual } from 'node:crypto';

import type { Exposure } from './host-guard.ts';

/** Why a request that would change something is refused. */
export interface Refusal {
  readonly status: 401 | 403;
  readonly detail: string;
}

/**
 * Who may change something: whoever has the token, once one is set; without one only this machine (a listener that others
 * reach changes nothing then). Compared in constant time, so that answers don't tell how much of a guess was right.
 */
export function mayNotChange(
  exposure: Exposure,
  token: string | undefined,
  authorization: string | undefined,
): Refusal | undefined {
  if (token === undefined) {
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
