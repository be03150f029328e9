import { stripPrefix } from '../http/request-target.ts';
import { optionsAnswer } from './answers.ts';
import type { ExchangeContext } from './context.ts';
import type { Destination } from './destination.ts';
import type { ErrorCode } from './errors.ts';
import { hasBody, isWebSocketUpgrade } from '../http/connection.ts';
import { hasPassed, isRequestId, type PeerTrust } from '../http/request-fields.ts';
import { judgeRequest, type RequestFacts } from '../http/request-rules.ts';
import type { AnswerStep, RequestHead } from './seam.ts';
import { isWellKnown, wellKnownAnswer } from './well-known.ts';

/** What is known of a request when its head has been judged. */
export interface Admission {
  readonly requestId: string;
  readonly peer: PeerTrust;
  /** Undefined for a head that the rules refuse. */
  readonly facts: RequestFacts | undefined;
  readonly verdict: Verdict;
}

/** `passed`: it goes to an instance. `refused`: answered with this error. `answered`: the gateway has the answer itself. */
export type Verdict =
  | Passage
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly destination: Destination | undefined }
  | { readonly kind: 'answered'; readonly answer: AnswerStep };

/** Where an admitted request goes, and as what. */
export interface Passage {
  readonly kind: 'passed';
  readonly facts: RequestFacts;
  readonly destination: Destination;
  /** Origin-form to send. */
  readonly target: string;
  readonly upgrade: string | undefined;
}

/** Judges a request head: may it pass, who sent it, where does it go. */
export function admit(context: ExchangeContext, head: RequestHead): Admission {
  const judged = judgeRequest(head);
  if (judged.kind !== 'accepted') {
    const requestId = context.newRequestId();
    const verdict = judged.kind === 'refused' ? refused(judged.code) : answered(optionsAnswer(requestId));
    return { requestId, peer: 'untrusted', facts: undefined, verdict };
  }
  const { facts } = judged;
  const peer = context.trusts(head.client.address) ? 'trusted' : 'untrusted';
  const given = peer === 'trusted' ? facts.headers.requestId : undefined;
  const requestId = isRequestId(given) ? given : context.newRequestId();
  return { requestId, peer, facts, verdict: direct(context, head, { facts, requestId }) };
}

const refused = (code: ErrorCode, destination?: Destination): Verdict => ({
  kind: 'refused',
  code,
  destination,
});

const answered = (answer: AnswerStep): Verdict => ({ kind: 'answered', answer });

function direct(
  context: ExchangeContext,
  head: RequestHead,
  { facts, requestId }: { readonly facts: RequestFacts; readonly requestId: string },
): Verdict {
  if (hasPassed(facts.headers.via, context.pseudonym)) return refused('loop_detected');
  const upgrade = isWebSocketUpgrade(head) ? 'websocket' : undefined;
  if (upgrade !== undefined && hasBody(head)) return refused('bad_request'); // R29
  if (isWellKnown(facts.path)) {
    const { method } = head;
    const answer = wellKnownAnswer({ method, path: facts.path }, requestId, context.routingStatus);
    return answer === undefined ? refused('no_route') : answered(answer);
  }
  const destination = context.resolve(facts.host, facts.path);
  if (destination === undefined) return refused('no_route');
  const { strip } = destination.route;
  const path = strip === undefined ? facts.path : stripPrefix(facts.path, strip);
  if (path === undefined) return refused('bad_target', destination);
  if (strip !== undefined && isWellKnown(path)) return refused('no_route', destination);
  return { kind: 'passed', facts, destination, target: path + facts.query, upgrade };
}
