import { parseRoutingQuestion } from '@roundhouse/agent-sdk/internal';

import type { RequestStep } from './step.ts';

const prefix = '/.well-known/roundhouse/';

/**
 * Whether a path belongs to gateway and SDK and is never sent to an instance: what an instance answers there (its identity) is
 * for the process that opens the connection; a client must not get it, or mistake it for a gateway's.
 */
export function isWellKnown(path: string): boolean {
  return path.startsWith(prefix);
}

/** Answers what the gateway itself serves: how the instance that asks stands here. Strangers, and everything else below the prefix, get 404. */
export const answerWellKnown: RequestStep = {
  name: 'well-known',
  run({ facts, head: { method }, requestId, gateway }) {
    if (facts === undefined || !isWellKnown(facts.path)) return 'continue';
    const reads = method === 'GET' || method === 'HEAD';
    const asked = reads ? parseRoutingQuestion(facts.path, facts.query) : undefined;
    const status = asked === undefined ? undefined : gateway.routingStatus(asked);
    if (status === undefined) return 'no_route';
    return {
      kind: 'answer',
      status: 200,
      fields: ['Content-Type', 'application/json', 'Cache-Control', 'no-store', 'X-Request-Id', requestId],
      body: `${JSON.stringify(status)}\n`,
      connection: 'keep',
    };
  },
};
