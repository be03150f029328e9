import type { RequestFacts } from '../../http/request-rules.ts';
import { normalizePath, otherReadings, stripPrefix } from '../../http/request-target.ts';
import type { Route } from '../../routing/route.ts';
import type { GatewayContext } from '../context.ts';
import { deadlineOf } from '../deadline.ts';
import type { RequestStep } from './step.ts';
import { isWellKnown } from './well-known.ts';

/** Finds the route, with the target to send and the time there is for all of it. */
export const matchRoute: RequestStep = {
  name: 'match-route',
  run(request) {
    const { facts, gateway, peer, startedMs } = request;
    const destination = facts === undefined ? undefined : gateway.resolve(facts.host, facts.path);
    if (facts === undefined || destination === undefined)
      return gateway.areClaimsKnown() ? 'no_route' : 'not_ready';
    request.destination = destination;
    const { route } = destination;
    const path = route.strip === undefined ? facts.path : stripPrefix(facts.path, route.strip);
    if (path === undefined) return 'bad_target';
    if (route.strip !== undefined && isWellKnown(path)) return 'no_route';
    request.target =
      (facts.givenPath === facts.path ? path : asItCame(path, facts, route, gateway)) + facts.query;
    const told = peer === 'trusted' ? facts.headers.claims : undefined;
    request.deadline = deadlineOf(startedMs, destination.timeouts.totalMs, told);
    return 'continue';
  },
};

/**
 * P2: the path that is sent for one that did not come in its normal form: exactly as it came, for those who sign it, where each way of
 * reading it leads to the same route; else `path`, its normal form. By a path that two readers understand differently a request could
 * reach what stands behind another prefix.
 */
function asItCame(
  path: string,
  { host, givenPath }: RequestFacts,
  route: Route,
  gateway: Pick<GatewayContext, 'resolve'>,
): string {
  for (const reading of otherReadings(givenPath)) {
    if (reading === undefined || isWellKnown(reading)) return path;
    if (gateway.resolve(host, reading)?.route !== route) return path;
  }
  if (route.strip === undefined) return givenPath;
  const stripped = stripPrefix(givenPath, route.strip);
  return stripped !== undefined && normalizePath(stripped) === path ? stripped : path;
}
