import type { FastifyInstance, FastifyReply } from 'fastify';

/**
 * A signal that fires when the app begins to close (Fastify's `preClose`, before it waits for open answers), so that
 * endless answers end then.
 */
export function closingSignal(app: FastifyInstance): AbortSignal {
  const closing = new AbortController();
  app.addHook('preClose', (done) => {
    closing.abort();
    done();
  });
  return closing.signal;
}

/**
 * A signal that fires when the answer was sent or its client disconnected. Taken from the response: the request's
 * own `close` event comes as soon as its body has been read.
 */
export function answerSignal(reply: FastifyReply): AbortSignal {
  const over = new AbortController();
  reply.raw.once('close', () => {
    over.abort();
  });
  if (reply.raw.closed) over.abort();
  return over.signal;
}

/** Waits `delayMs`; ends early, without an error, when the signal fires. Resolves with which it was. */
export function pause(delayMs: number, signal: AbortSignal): Promise<'elapsed' | 'aborted'> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve('aborted');
      return;
    }
    const onAbort = () => {
      clearTimeout(timer);
      resolve('aborted');
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve('elapsed');
    }, delayMs);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
