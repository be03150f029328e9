import { hasBody, isWebSocketUpgrade } from '../../http/connection.ts';
import { hasPassed } from '../../http/request-fields.ts';
import { judgeRequest } from '../../http/request-rules.ts';
import { optionsAnswer } from '../answers.ts';
import type { RequestStep } from './step.ts';

/** Refuses what an intermediary must not pass on; answers an OPTIONS that ends here. */
export const checkRequest: RequestStep = {
  name: 'check-request',
  run(request) {
    const judged = judgeRequest(request.head);
    if (judged.kind === 'refused') return judged.code;
    if (judged.kind === 'options') return optionsAnswer(request.requestId);
    request.facts = judged.facts;
    return 'continue';
  },
};

/** Refuses a request that has been here before (R06), and an upgrade with a body (R29); chooses what to upgrade to (R28). */
export const checkHops: RequestStep = {
  name: 'check-hops',
  run(request) {
    const { facts, head, gateway } = request;
    if (hasPassed(facts?.headers.via, gateway.pseudonym)) return 'loop_detected';
    if (!isWebSocketUpgrade(head)) return 'continue';
    if (hasBody(head)) return 'bad_request';
    request.upgrade = 'websocket';
    return 'continue';
  },
};
