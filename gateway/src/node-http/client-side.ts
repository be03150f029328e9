import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import type { AnswerStep, RelayStep, RequestHead, ResponseHead } from '../exchange/seam.ts';
import type { TimeoutWheel } from '../proxy/timeout-wheel.ts';
import type { UpstreamResponse } from './attempt.ts';
import type { EarlyBytes } from './early-bytes.ts';
import { startRelay, type Relay, type RelayListener } from './relay.ts';
import {
  writeAnswer,
  writeInterim,
  writeRelayHead,
  writeSwitch,
  type Persistence,
} from './response-writer.ts';
import { WheelTimer } from './wheel-timer.ts';

/** How long a client may take to accept an answer of the gateway's own. */
const answerMs = 10_000;

/** An unread request body of at most this length is read and dropped, so that its connection can go on. */
const drainableBytes = 64 * 1024;

/** A request that has arrived, with what its exchange needs of the client's side. */
export interface ClientMessage {
  readonly head: RequestHead;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
  /** Only for messages behind which the parser has left the connection (upgrades, CONNECT). */
  readonly early: EarlyBytes | undefined;
  /** `close`: another request can't follow it on its connection. */
  readonly persistence: Persistence;
}

/** What may still be said to the client: anything, no new head, nothing as it has gone. */
export type ClientState = 'listening' | 'answered' | 'gone';

/** Everything that goes to the client of one exchange. */
export interface ClientSide {
  state(): ClientState;
  /** Whether the connection goes on after the response; `keep` as long as its head is not written. */
  persistence(): Persistence;
  /** The request can't be read to its end: the connection is closed after the response. */
  requestBroken(): void;
  /** Whether the client sends its body only when it is told to go on. */
  awaitsContinue(): boolean;
  interim(head: ResponseHead): void;
  /** Sends a whole answer and returns the bytes of its body. It is cut when the client doesn't take it within 10 s. */
  answer(step: AnswerStep): number;
  /** Sends the head of a response and starts on its body. `upload` tells whether the request is still being sent. */
  relay(
    step: RelayStep,
    upstream: UpstreamResponse,
    options: {
      readonly upload: 'running' | 'done';
      readonly idleMs: number;
      readonly listener: RelayListener;
    },
  ): Relay;
  /** Sends the 101; the connection belongs to the new protocol. Returns what the client has sent ahead. */
  switchTo(step: RelayStep, protocol: string): readonly Buffer[];
  /** `reset` where an end of the connection would look like the end of the body. */
  cut(how: 'close' | 'reset'): void;
  /** Ends its timer. */
  release(): void;
}

export interface ClientSideOptions {
  /** What the engine wants of its connections now. */
  readonly persistence: () => Persistence;
  /** Once: the response is through (its last byte has reached the kernel), or the connection was closed before. */
  readonly closed: (how: 'complete' | 'left') => void;
  readonly wheel: TimeoutWheel;
}

/** Takes charge of the response to a message. */
export function createClientSide(message: ClientMessage, options: ClientSideOptions): ClientSide {
  const { head, request, response, socket } = message;
  let persistence: Persistence = 'keep';
  let last: 'perhaps' | 'yes' = message.persistence === 'close' ? 'yes' : 'perhaps';
  let through: 'no' | 'yes' = 'no';
  let continued: 'no' | 'yes' = 'no';
  const timer = new WheelTimer(options.wheel, () => {
    socket.destroy();
  });

  response.on('error', () => undefined); // Told by `close`.
  response.prependListener('finish', () => {
    if (!socket.destroyed) through = 'yes';
  });
  response.on('close', () => {
    options.closed(through === 'yes' ? 'complete' : 'left');
  });
  const persist = (wanted: Persistence, body: 'read' | 'unread'): Persistence => {
    if (last === 'yes' || body === 'unread' || wanted === 'close') return 'close';
    return options.persistence();
  };
  const settle = (): void => {
    persistence = response.shouldKeepAlive ? 'keep' : 'close';
  };
  const awaitsContinue = (): boolean =>
    head.version === '1.1' && request.headers.expect !== undefined && continued === 'no';
  return {
    state() {
      if (socket.destroyed) return 'gone';
      return response.headersSent ? 'answered' : 'listening';
    },
    persistence: () => persistence,
    requestBroken() {
      last = 'yes';
    },
    awaitsContinue,
    interim(interim) {
      if (head.version === '1.0') return;
      // RFC 9110 §15.2.1: a 100 that nobody waits for, or no longer, means nothing.
      if (interim.status === 100) {
        if (!awaitsContinue()) return;
        continued = 'yes';
      }
      writeInterim(response, socket, interim);
    },
    answer(step) {
      const { body } = head;
      const short = body.kind === 'none' || (body.kind === 'length' && body.bytes <= drainableBytes);
      const bytes = writeAnswer(
        response,
        step,
        head,
        persist(step.connection, short || request.complete ? 'read' : 'unread'),
      );
      settle();
      request.resume();
      timer.set(answerMs);
      return bytes;
    },
    relay(step, { framing, message: body }, { upload, idleMs, listener }) {
      // R35: a connection whose request may stay unread is not used again, and the client is told now.
      const wanted = persist(step.connection, upload === 'running' ? 'unread' : 'read');
      writeRelayHead(response, step, framing, { form: head, persistence: wanted });
      settle();
      return startRelay(body, response, { framing, idleMs, listener, wheel: options.wheel });
    },
    switchTo(step, protocol) {
      persistence = 'close';
      writeSwitch(socket, step, protocol);
      return message.early?.take() ?? [];
    },
    cut(how) {
      if (how === 'reset') socket.resetAndDestroy();
      else socket.destroy();
    },
    release() {
      timer.end();
    },
  };
}
