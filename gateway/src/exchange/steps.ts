import type { GatewayContext } from './context.ts';
import { admit } from './steps/admit.ts';
import { bindClient } from './steps/bind-client.ts';
import { checkHops, checkRequest } from './steps/check-request.ts';
import { dispatch } from './steps/dispatch.ts';
import { matchRoute } from './steps/match-route.ts';
import type { RequestStep } from './steps/step.ts';
import { trustPeer } from './steps/trust-peer.ts';
import { answerWellKnown } from './steps/well-known.ts';

/**
 * What happens to a request, from its head to the first attempt: read it top to bottom. The list is made when a configuration is
 * loaded; a step that is not configured is not in it. Places for what a gateway may do besides:
 *
 * - after `trust-peer`, which tells the client's address: rate limits by client, allow and deny lists;
 * - after `check-hops`: CORS preflights;
 * - after `match-route`, which tells whose settings count: authentication, rate limits by route, rewriting of path and fields;
 * - before `bind-client`: answers from a cache;
 * - before `dispatch`: compression and other transforms (`transform`, `onResponse` of the request's context).
 */
export function composeSteps({ trusts }: Pick<GatewayContext, 'trusts'>): readonly RequestStep[] {
  return [
    checkRequest,
    ...(trusts === undefined ? [] : [trustPeer(trusts)]),
    checkHops,
    answerWellKnown,
    admit,
    matchRoute,
    bindClient,
    dispatch,
  ];
}
