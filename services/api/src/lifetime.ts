import type { FastifyInstance, FastifyReply } from 'fastify';

/**
 * A signal that fires when the app begins to close (Fastify's `preClose`, before it waits for open answers), so that
 * answers without an end of their own end then.
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
 * A signal that fires when the answer is over, be it sent or its client gone. Taken from the response: the request's
 * own `close` event already comes when its body has been read.
 */
export function answerSignal(reply: FastifyReply): AbortSignal {
  const over = new AbortController();
  reply.raw.once('close', () => {
    over.abort();
  });
  if (reply.raw.closed) over.abort();
  return over.signal;
}

/** Waits `delayMs`; cut short, without an error, when the signal fires. Tells which it was. */
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
