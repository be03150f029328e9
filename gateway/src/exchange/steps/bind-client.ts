import { affinityOf, loginAffinity, mayBind } from '../affinity.ts';
import type { RequestStep } from './step.ts';

/** Finds the instance that a client is bound to, by a cookie, by what a request is placed by, or by a login. Most services bind none. */
export const bindClient: RequestStep = {
  name: 'bind-client',
  run(request) {
    const { destination, facts, gateway, head, peer } = request;
    if (destination === undefined || facts === undefined) return 'continue';
    if (mayBind(destination)) request.affinity = affinityOf({ destination, facts, head, peer }, gateway);
    const { logins } = head.client;
    if (logins !== undefined)
      request.affinity = loginAffinity(request.affinity, destination.upstream, logins);
    return 'continue';
  },
};
