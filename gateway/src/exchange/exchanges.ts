import type { ClientFacts } from '../http/message.ts';
import { errorAnswer } from './answers.ts';
import type { ExchangeContext, ExchangePolicy, GatewayContext } from './context.ts';
import type { ErrorCode } from './errors.ts';
import { ExchangeState } from './exchange.ts';
import type { AnswerStep, Exchanges } from './seam.ts';
import { createSessions } from './sessions.ts';
import { composeSteps } from './steps.ts';
import type { RequestStep } from './steps/step.ts';

/** The exchanges of a gateway, for its listeners. */
export interface GatewayExchanges extends Exchanges {
  /** Takes another configuration, with a new list of steps. Exchanges that run keep the one they began with. */
  reconfigure(policy: ExchangePolicy): void;
}

/** `compose`: makes the list of steps, for each configuration anew. */
export function createExchanges(
  context: ExchangeContext,
  compose: (context: ExchangeContext) => readonly RequestStep[] = composeSteps,
): GatewayExchanges {
  let gateway: GatewayContext = { ...context, sessions: createSessions(context.sessionToken) };
  let steps = compose(gateway);
  return {
    open: (head) => new ExchangeState(gateway, steps, head),
    refuse: (code, client, detail) => refuse(gateway, client, code, detail),
    reconfigure({ pseudonym, trusts, forwardedFields, identity }) {
      gateway = { ...gateway, pseudonym, trusts, forwardedFields, identity };
      steps = compose(gateway);
    },
  };
}

/** A message with no usable head: nothing is known of it but its sender. */
function refuse(
  context: GatewayContext,
  client: ClientFacts,
  code: ErrorCode,
  detail: string | undefined,
): AnswerStep {
  const requestId = context.newRequestId();
  const { pseudonym } = context;
  const answer = errorAnswer(code, { requestId, accept: '', pseudonym, detail });
  context.observe({
    requestId,
    clientAddress: client.address,
    method: '',
    host: '',
    path: '',
    route: undefined,
    service: undefined,
    instance: undefined,
    status: answer.status,
    error: code,
    detail,
    attempts: [],
    retries: 0,
    end: { kind: 'complete', requestBytes: 0, responseBytes: Buffer.byteLength(answer.body) },
    durationMs: 0,
    queuedMs: 0,
    upstreamMs: undefined,
  });
  return { ...answer, connection: 'close' };
}
