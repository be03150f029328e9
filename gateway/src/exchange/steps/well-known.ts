import { parseRoutingStatusPath } from '@roundhouse/agent-sdk/internal';

import type { RequestStep } from './step.ts';

const prefix = '/.well-known/roundhouse/';

/**
 * Whether a path belongs to gateway and SDK and is never sent to an instance: what an instance answers there (its identity) is
 * for the process that opens the connection; a client must not get it, or mistake it for a gateway's.
 */
export function isWellKnown(path: string): boolean {
  return path.startsWith(prefix);
}

/** Answers what the gateway itself serves: how an instance stands here. Everything else below the prefix is 404. */
export const answerWellKnown: RequestStep = {
  name: 'well-known',
  run({ facts, head: { method }, requestId, gateway }) {
    if (facts === undefined || !isWellKnown(facts.path)) return 'continue';
    const asked = method === 'GET' || method === 'HEAD' ? parseRoutingStatusPath(facts.path) : undefined;
    if (asked === undefined) return 'no_route';
    return {
      kind: 'answer',
      status: 200,
      fields: ['Content-Type', 'application/json', 'Cache-Control', 'no-store', 'X-Request-Id', requestId],
      body: `${JSON.stringify(gateway.routingStatus(asked.service, asked.id))}\n`,
      connection: 'keep',
    };
  },
};
