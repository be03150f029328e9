import { AttemptScheduler } from '../attempt-scheduler.ts';
import type { RequestStep } from './step.ts';

/** Gets the request its first attempt, or a place in the queue for it. The last step. */
export const dispatch: RequestStep = {
  name: 'dispatch',
  run(request) {
    const { destination, facts } = request;
    if (destination === undefined || facts === undefined) return 'internal';
    destination.budget.deposit(request.startedMs);
    request.scheduler = new AttemptScheduler({ ...request, destination, facts });
    return request.scheduler.first(request.startedMs);
  },
};
