import { AttemptScheduler, type ScheduledRequest } from '../attempt-scheduler.ts';
import type { RequestContext, RequestStep } from './step.ts';

/** Gets the request its first attempt, or a place in the queue for it. The last step. */
export const dispatch: RequestStep = {
  name: 'dispatch',
  run(request) {
    if (!isRouted(request)) return 'internal';
    request.destination.budget.deposit(request.startedMs);
    request.scheduler = new AttemptScheduler(request);
    return request.scheduler.first(request.startedMs);
  },
};

function isRouted(request: RequestContext): request is RequestContext & ScheduledRequest {
  return request.facts !== undefined && request.destination !== undefined;
}
