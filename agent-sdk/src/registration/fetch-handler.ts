import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * A handler in the form of the Fetch API, as Hono, H3, Elysia and others have it. The second argument holds the request and the response
 * of node:http.
 */
export type FetchHandler = (
  request: Request,
  node: { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse },
) => Response | PromiseLike<Response>;

/** An object with such a handler. */
export interface FetchLike {
  fetch: FetchHandler;
}

/**
 * Serves a fetch-style handler on node:http. Bodies stream in both directions with backpressure: nothing is read of a request that the
 * handler does not read, and nothing of a response that the client does not take. The request's signal aborts when the client leaves
 * before the response has ended. A request that the Fetch API can't express is answered 400. Rejects with what the handler throws,
 * and when the body of its response fails.
 */
export function fetchHandler({
  fetch,
}: FetchLike): (incoming: IncomingMessage, outgoing: ServerResponse) => unknown {
  return async (incoming, outgoing) => {
    const left = new AbortController();
    outgoing.once('close', () => {
      if (!outgoing.writableFinished) left.abort(new DOMException('The client has left', 'AbortError'));
    });
    const request = requestOf(incoming, left.signal);
    if (request === undefined) {
      outgoing.writeHead(400).end();
      return;
    }
    let response: Response;
    try {
      response = await fetch(request, { incoming, outgoing });
    } catch (error) {
      // A handler that stops because the client has left has nothing to answer.
      if (left.signal.aborted) return;
      throw error;
    }
    if (outgoing.destroyed) await response.body?.cancel();
    else await send(response, incoming, outgoing);
  };
}

/** Undefined for what the Fetch API refuses: the method TRACE, a host that is none. */
function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request | undefined {
  const { method = 'GET', url = '/', rawHeaders } = incoming;
  try {
    const headers = new Headers();
    for (let at = 0; at + 1 < rawHeaders.length; at += 2)
      headers.append(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '');
    const body = method === 'GET' || method === 'HEAD' || !hasBody(incoming) ? null : bodyOf(incoming);
    const more = body === null ? {} : { body, duplex: 'half' as const };
    return new Request(urlOf(url, incoming.headers.host), { method, headers, signal, ...more });
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Joined, not resolved: `//other/x` is a path here. Throws a TypeError for a host that is none. */
function urlOf(target: string, host = 'localhost'): string {
  if (/^https?:\/\//iu.test(target)) return target;
  if (!/^[\w.:[\]%-]+$/u.test(host)) throw new TypeError('no host');
  return `http://${host}${target.startsWith('/') ? '' : '/'}${target}`;
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Reads when it is read. `Readable.toWeb` reads ahead. */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  const chunks: AsyncIterator<Buffer> = incoming.iterator({ destroyOnReturn: false });
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await chunks.next();
        if (next.done === true) controller.close();
        else controller.enqueue(next.value);
      },
      async cancel() {
        await chunks.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

async function send(
  response: Response,
  { method }: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  if (!isResponse(response)) throw new TypeError('The fetch handler gave no Response');
  const { status, statusText, headers, body } = response;
  const fields: string[] = [];
  // Several Set-Cookie fields come one by one.
  for (const [name, value] of headers) fields.push(name, value);
  if (statusText !== '') outgoing.statusMessage = statusText;
  outgoing.writeHead(status, fields);
  if (body === null || method === 'HEAD') {
    outgoing.end();
    await body?.cancel();
    return;
  }
  await relay(body.getReader(), outgoing);
}

/** Whatever realm or package it comes from. */
function isResponse(value: unknown): value is Response {
  return typeof value === 'object' && value !== null && 'status' in value && 'headers' in value;
}

async function relay(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  outgoing: ServerResponse,
): Promise<void> {
  /** Wakes a write that waits for room, and ends a read for a client that has left. */
  let wake: () => void = () => undefined;
  outgoing.on('drain', () => {
    wake();
  });
  outgoing.once('close', () => {
    wake();
    void reader.cancel().catch(() => undefined);
  });
  // A head whose body is not there yet goes out at once; one whose body is goes out with it.
  const flush = setImmediate(() => {
    outgoing.flushHeaders();
  });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      clearImmediate(flush);
      if (done || outgoing.destroyed) break;
      if (!outgoing.write(value)) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (outgoing.destroyed) resolve();
        });
      }
    }
    outgoing.end();
  } finally {
    clearImmediate(flush);
  }
}
