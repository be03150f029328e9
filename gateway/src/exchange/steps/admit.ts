import { hasBody } from '../../http/connection.ts';
import type { RequestStep } from './step.ts';

/** Refuses new work while what peers make the gateway hold is near its limit: requests with a body first. */
export const admit: RequestStep = {
  name: 'admit',
  run: ({ gateway, head }) =>
    gateway.admits(hasBody(head) ? 'upload' : 'request') ? 'continue' : 'exhausted',
};
