import { affinityOf, mayBind } from '../affinity.ts';
import type { RequestStep } from './step.ts';

/** Finds the instance that a client is bound to, by a cookie or by what a request is placed by. Most services bind none. */
export const bindClient: RequestStep = {
  name: 'bind-client',
  run(request) {
    const { destination, facts, gateway, head, peer } = request;
    if (destination !== undefined && facts !== undefined && mayBind(destination))
      request.affinity = affinityOf({ destination, facts, head, peer }, gateway);
    return 'continue';
  },
};
