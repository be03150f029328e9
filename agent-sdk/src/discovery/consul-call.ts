import { EventEmitter } from 'node:events';
import { type IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { type Readable, Writable } from 'node:stream';

import { type LeftOut, OversizeFilter } from './oversize-filter.ts';
import { codeOf } from './system-error.ts';
import { yieldTurn } from './yield-turn.ts';

/** Options of one request for papi, the HTTP layer inside the `consul` package. */
interface PapiRequest {
  path: string;
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

/** One request. */
export interface ConsulCall {
  readonly method: 'get' | 'put';
  /** After `/v1`, with the query. */
  readonly target: string;
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

/** A response. */
export interface ConsulResponse {
  readonly kind: 'answer';
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Bytes that came. */
  readonly bytes: number;
  readonly leftOut: readonly LeftOut[];
}

/** How a call ended. `cut`: the body broke off; `broken`: no response head came. */
export type ConsulCallResult =
  | ConsulResponse
  | { readonly kind: 'aborted' | 'deadline' | 'cut' | 'oversize' }
  | { readonly kind: 'broken'; readonly code: string; readonly error: unknown };

/** Takes the result of a call; later ones are ignored. */
export type Settle = (result: ConsulCallResult) => void;

/** Makes one call over HTTP/1.1. See {@link withinLimits}. */
export function callConsul(client: PapiClient, call: ConsulCall): Promise<ConsulCallResult> {
  return withinLimits(call, (settle) => {
    const ctx = new EventEmitter();
    let response: IncomingMessage | undefined;
    const sink = createBodySink(call.maxBodyBytes, settle, () =>
      response === undefined ? undefined : { status: response.statusCode ?? 0, headers: response.headers },
    );
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
    const request: PapiRequest = {
      path: call.target,
      headers: { ...call.headers },
      ctx,
      pipe: sink,
      ...(call.body === undefined ? {} : { body: call.body }),
    };
    const sent = call.method === 'get' ? client._get(request) : client._put(request);
    sent.catch((error: unknown) => {
      // After the response head, papi rejects only for its status. The sink reports the status together with the body.
      if (response === undefined) settle({ kind: 'broken', code: codeOf(error), error });
    });
    return () => {
      ctx.emit('cancel');
    };
  });
}

/**
 * Runs a call within its limits. Always settles, at the latest when the deadline passes or the signal aborts; what `start` returned then
 * breaks the call off. papi alone never settles when a body breaks off.
 */
export function withinLimits(
  call: Pick<ConsulCall, 'signal' | 'deadlineMs'>,
  start: (settle: Settle) => () => void,
): Promise<ConsulCallResult> {
  if (call.signal.aborted) return Promise.resolve({ kind: 'aborted' });
  return new Promise((resolve) => {
    const started: { cancel?: () => void } = {};
    let result: ConsulCallResult | undefined;
    const settle: Settle = (ending) => {
      if (result !== undefined) return;
      result = ending;
      clearTimeout(timer);
      call.signal.removeEventListener('abort', onAbort);
      resolve(ending);
      if (ending.kind !== 'answer') started.cancel?.();
    };
    const onAbort = (): void => {
      settle({ kind: 'aborted' });
    };
    const timer = setTimeout(() => {
      settle({ kind: 'deadline' });
    }, call.deadlineMs);
    call.signal.addEventListener('abort', onAbort, { once: true });
    started.cancel = start(settle);
  });
}

/** Takes a body, bounded, and settles the call when it has ended. `head`: what came before it. */
export function createBodySink(
  maxBytes: number,
  settle: Settle,
  head: () => { readonly status: number; readonly headers: IncomingHttpHeaders } | undefined,
): Writable {
  const chunks: Buffer[] = [];
  let filter: OversizeFilter | undefined;
  let bytes = 0;

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
  sink.once('finish', () => {
    const before = head();
    if (before === undefined) return;
    const body = filter?.end() ?? Buffer.concat(chunks, bytes);
    settle({ kind: 'answer', ...before, body, bytes, leftOut: filter?.leftOut ?? [] });
  });
  return sink;
}
