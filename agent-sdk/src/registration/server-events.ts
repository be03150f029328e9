import { captureRejectionSymbol } from 'node:events';
import { IncomingMessage, type Server, ServerResponse } from 'node:http';

/**
 * Shows every event of a server to `handle` before the server's listeners get it; they don't get it if `handle` returns true. No
 * listener could do that: one for `upgrade` would make Node treat every upgrade as wanted, and one for `request` can't keep the
 * application from answering too. Lasts as long as the server; `handle` must not throw.
 */
export function interceptEvents(
  server: Server,
  handle: (event: string | symbol, values: readonly unknown[]) => boolean,
): void {
  const emit = server.emit.bind(server) as (event: string | symbol, ...values: unknown[]) => boolean;
  server.emit = (event: string | symbol, ...values: unknown[]): boolean =>
    handle(event, values) || emit(event, ...values);
}

/** Told of a request whose handler threw or rejected. */
export type HandlerFailed = (error: unknown, request: IncomingMessage) => void;

/** Whom each server tells: the last registration that has it. */
const told = new WeakMap<Server, HandlerFailed>();

/**
 * Answers 500 in place of a `request` listener that throws or rejects (the response is cut off where its head has gone out) and tells
 * `failed`; without it, such an error ends the process. Lasts as long as the server.
 */
export function answerFailures(server: Server, failed: HandlerFailed): void {
  const isNew = !told.has(server);
  told.set(server, failed);
  if (!isNew) return;
  interceptEvents(server, (event, [request, response]) => {
    if (event !== 'request' || !(request instanceof IncomingMessage) || !(response instanceof ServerResponse))
      return false;
    const fail = (error: unknown): void => {
      told.get(server)?.(error, request);
      if (response.writableEnded) return;
      // What Node does for a server with `captureRejections`.
      const reason = error instanceof Error ? error : new Error(String(error));
      server[captureRejectionSymbol]?.(reason, event, request, response);
    };
    const listeners = server.rawListeners(event);
    for (const listener of listeners) {
      try {
        const result: unknown = Reflect.apply(listener, server, [request, response]);
        if (isPromise(result)) result.then(undefined, fail);
      } catch (error) {
        fail(error);
      }
    }
    return listeners.length > 0;
  });
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
