import { EventEmitter } from 'node:events';
import { type IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { type Readable, Writable } from 'node:stream';

import { type LeftOut, OversizeFilter } from './oversize-filter.ts';
import { yieldTurn } from './yield-turn.ts';

/** Options of one request for papi, the HTTP layer inside the `consul` package. */
interface PapiRequest {
  path: string;
  params: Record<string, string>;
  query: Record<string, string>;
  headers: Record<string, string>;
  /** `cancel` on it aborts the request. */
  ctx: EventEmitter;
  /** Receives the body. It replaces papi's unbounded buffer and content-type guessing. */
  pipe: Writable;
  body?: unknown;
}

/** The low-level side of the package's client, which its own types leave out. */
export interface PapiClient {
  _get(request: PapiRequest): Promise<unknown>;
  _put(request: PapiRequest): Promise<unknown>;
}

/** Whether the package has the methods that the client uses. The client checks it once, at creation. */
export function isPapiClient(client: object): client is PapiClient {
  return (
    '_get' in client &&
    typeof client._get === 'function' &&
    '_put' in client &&
    typeof client._put === 'function'
  );
}

/** One request. `path` has `{name}` where `params.name` goes, percent-encoded. */
export interface ConsulCall {
  readonly method: 'get' | 'put';
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  /** For the whole call, from now to the last byte of the body. */
  readonly deadlineMs: number;
  /** From here on, records that are large by themselves are left out; what is kept stays below it, too. */
  readonly maxBodyBytes: number;
  readonly signal: AbortSignal;
}

/** A record that is left out of an answer which is too large as a whole. */
const largeRecordBytes = 65_536;

/** How a call ended. `cut`: the body broke off; `broken`: no response head came. */
export type ConsulCallResult =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      readonly body: Buffer;
      /** Bytes that came. */
      readonly bytes: number;
      readonly leftOut: readonly LeftOut[];
    }
  | { readonly kind: 'aborted' | 'deadline' | 'cut' | 'oversize' }
  | { readonly kind: 'broken'; readonly code: string; readonly error: unknown };

/**
 * Makes one call. Always settles, at the latest when the deadline passes or the signal aborts; the socket is then destroyed.
 * papi alone never settles when a body breaks off, and buffers without bound. The call therefore has its own collector and timer.
 */
export function callConsul(client: PapiClient, call: ConsulCall): Promise<ConsulCallResult> {
  if (call.signal.aborted) return Promise.resolve({ kind: 'aborted' });
  return new Promise((resolve) => {
    const ctx = new EventEmitter();
    let state: 'open' | 'settled' = 'open';

    const settle = (result: ConsulCallResult): void => {
      if (state === 'settled') return;
      state = 'settled';
      clearTimeout(timer);
      call.signal.removeEventListener('abort', onAbort);
      resolve(result);
      if (result.kind !== 'answer') ctx.emit('cancel');
    };
    const onAbort = (): void => {
      settle({ kind: 'aborted' });
    };
    const timer = setTimeout(() => {
      settle({ kind: 'deadline' });
    }, call.deadlineMs);
    call.signal.addEventListener('abort', onAbort, { once: true });

    const collector = createCollector(call.maxBodyBytes, settle);
    const request: PapiRequest = {
      path: call.path,
      params: { ...call.params },
      query: { ...call.query },
      headers: { ...call.headers },
      ctx,
      pipe: collector.sink,
      ...(call.body === undefined ? {} : { body: call.body }),
    };
    const sent = call.method === 'get' ? client._get(request) : client._put(request);
    sent.catch((error: unknown) => {
      // After the response head, papi rejects only for its status. The collector reports the status together with the body.
      if (collector.response() === undefined) settle({ kind: 'broken', code: codeOf(error), error });
    });
  });
}

/** Takes the body that papi pipes into it, bounded, and settles the call by how that body ends. */
function createCollector(
  maxBytes: number,
  settle: (result: ConsulCallResult) => void,
): { readonly sink: Writable; readonly response: () => IncomingMessage | undefined } {
  const chunks: Buffer[] = [];
  let filter: OversizeFilter | undefined;
  let bytes = 0;
  let response: IncomingMessage | undefined;

  /** Leaves out what is too large, with pauses for other work. The sender waits meanwhile. */
  const sift = async (into: OversizeFilter): Promise<void> => {
    for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) {
      into.push(chunk);
      await yieldTurn();
    }
    if (!into.isReadable || into.kept > maxBytes) settle({ kind: 'oversize' });
  };
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes <= maxBytes) {
        done();
        return;
      }
      filter ??= new OversizeFilter(Math.min(largeRecordBytes, maxBytes / 8));
      void sift(filter).then(() => {
        done();
      });
    },
  });
  sink.once('pipe', (source: Readable) => {
    if (!(source instanceof IncomingMessage)) return;
    response = source;
    source.once('close', () => {
      if (!source.complete) settle({ kind: 'cut' });
    });
    source.on('error', () => {
      settle({ kind: 'cut' });
    });
  });
  sink.once('finish', () => {
    if (response === undefined) return;
    const { statusCode = 0, headers } = response;
    const body = filter?.end() ?? Buffer.concat(chunks, bytes);
    settle({ kind: 'answer', status: statusCode, headers, body, bytes, leftOut: filter?.leftOut ?? [] });
  });
  return { sink, response: () => response };
}

function codeOf(error: unknown): string {
  if (error instanceof Error) {
    if ('code' in error && typeof error.code === 'string') return error.code;
    if (error.cause !== undefined) return codeOf(error.cause);
  }
  return 'unknown error';
}
