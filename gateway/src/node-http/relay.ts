import type { IncomingMessage, ServerResponse } from 'node:http';

import type { ResponseFraming } from '../http/framing.ts';
import type { TimeoutWheel } from '../proxy/timeout-wheel.ts';
import { startPump } from './pump.ts';
import { WheelTimer } from './wheel-timer.ts';

/** What hears of a relay's progress. Exactly one of `delivered` and `stuck` or `broken` is called last, unless it is stopped. */
export interface RelayListener {
  /** This many bytes of the body are about to be passed on. */
  bytes(count: number): void;
  /** Everything that the instance sent has been handed to the client's connection, which still has to take it. */
  delivered(): void;
  /** The instance broke off: the message is incomplete and must stay visibly so (RFC 9112 §8). */
  broken(): void;
  /** Nothing moved for `idleMs`, in either direction of the exchange. */
  stuck(waitingFor: 'client' | 'instance'): void;
}

/** A response body on its way to the client. */
export interface Relay {
  /** There was progress elsewhere in the exchange (its upload). */
  touch(): void;
  /** Ends it without a word: no more bytes, no more timer. Repeated calls do nothing. */
  stop(): void;
}

/**
 * Passes the body of `message` on to `response`, whose head has been written, and ends the response when the message has ended as
 * announced. Until the client's connection has taken everything or the relay is stopped, no wait is longer than `idleMs`.
 */
export function startRelay(
  message: IncomingMessage,
  response: ServerResponse,
  options: {
    readonly framing: ResponseFraming;
    readonly idleMs: number;
    readonly listener: RelayListener;
    readonly wheel: TimeoutWheel;
  },
): Relay {
  const { framing, idleMs, listener, wheel } = options;
  let state: 'running' | 'delivered' | 'stopped' = 'running';
  let moved = 0;
  const idle = new WheelTimer(wheel, () => {
    listener.stuck(state === 'delivered' || response.writableNeedDrain ? 'client' : 'instance');
  });
  const touch = (): void => {
    if (state !== 'stopped') idle.set(idleMs);
  };
  touch();
  const deliver = (): void => {
    if (state !== 'running') return;
    state = 'delivered';
    response.end();
    listener.delivered();
  };
  // Told by `close`, with or without it.
  message.on('error', () => undefined);
  const stop = (): void => {
    state = 'stopped';
    idle.end();
    pump?.stop();
  };

  if (framing.kind === 'none') message.resume();
  const pump =
    framing.kind === 'none'
      ? undefined
      : startPump(message, response, {
          chunk(bytes) {
            moved += bytes;
            touch();
            listener.bytes(bytes);
          },
          end() {
            if (message.complete) deliver();
          },
        });
  message.on('close', () => {
    if (state === 'running') listener.broken();
  });
  if (framing.kind === 'none') deliver();
  // The first bytes usually go out with the head in one write; a head without bytes (SSE) must not wait for them.
  process.nextTick(() => {
    if (state === 'running' && moved === 0) response.flushHeaders();
  });
  return { touch, stop };
}
