import type { AttemptFailure, AttemptStep, Exchange, Step } from '../exchange/seam.ts';
import type { ParsedResponse } from '../http1/response-head.ts';

/** What an exchange is asked. */
export type Question =
  | { readonly kind: 'begin' }
  | { readonly kind: 'waited'; readonly how: 'ready' | 'timeout' }
  | {
      readonly kind: 'responded';
      readonly response: ParsedResponse;
      readonly of: AttemptStep;
      /** Whether the request could be sent again. */
      readonly sent: 'head' | 'body';
    }
  | { readonly kind: 'failed'; readonly failure: AttemptFailure; readonly of: AttemptStep | undefined };

/** Asks an exchange what to do. Throws what it throws. */
export function ask(exchange: Exchange, question: Question): Step {
  switch (question.kind) {
    case 'begin':
      return exchange.begin();
    case 'waited':
      return exchange.waited(question.how);
    case 'responded':
      return exchange.responded(question.response, question.of, question.sent);
    case 'failed':
      return exchange.failed(question.failure, question.of);
  }
}
