import { parseRoutingStatusPath, type RoutingStatus } from '@roundhouse/agent-sdk/internal';

import type { AnswerStep } from './seam.ts';

const prefix = '/.well-known/roundhouse/';

/**
 * Whether a path belongs to gateway and SDK and is never sent to an instance: what an instance answers there (who it is) is for
 * whoever opens the connection, and a client must not get it, or mistake it for a gateway's.
 */
export function isWellKnown(path: string): boolean {
  return path.startsWith(prefix);
}

/** What there is to say at a path below the prefix; undefined where nothing is. */
export function wellKnownAnswer(
  { method, path }: { readonly method: string; readonly path: string },
  requestId: string,
  routingStatus: (service: string, id: string) => RoutingStatus,
): AnswerStep | undefined {
  if (method !== 'GET' && method !== 'HEAD') return undefined;
  const asked = parseRoutingStatusPath(path);
  if (asked === undefined) return undefined;
  return {
    kind: 'answer',
    status: 200,
    fields: ['Content-Type', 'application/json', 'Cache-Control', 'no-store', 'X-Request-Id', requestId],
    body: `${JSON.stringify(routingStatus(asked.service, asked.id))}\n`,
    connection: 'keep',
  };
}
