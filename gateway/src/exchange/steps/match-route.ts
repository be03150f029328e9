import { stripPrefix } from '../../http/request-target.ts';
import { deadlineOf } from '../deadline.ts';
import type { RequestStep } from './step.ts';
import { isWellKnown } from './well-known.ts';

/** Finds the route, with the target to send and the time there is for all of it. */
export const matchRoute: RequestStep = {
  name: 'match-route',
  run(request) {
    const { facts, gateway, peer, startedMs } = request;
    const destination = facts === undefined ? undefined : gateway.resolve(facts.host, facts.path);
    if (facts === undefined || destination === undefined) return 'no_route';
    request.destination = destination;
    const { strip } = destination.route;
    const path = strip === undefined ? facts.path : stripPrefix(facts.path, strip);
    if (path === undefined) return 'bad_target';
    if (strip !== undefined && isWellKnown(path)) return 'no_route';
    request.target = path + facts.query;
    const told = peer === 'trusted' ? facts.headers.claims : undefined;
    request.deadline = deadlineOf(startedMs, destination.timeouts.totalMs, told);
    return 'continue';
  },
};
