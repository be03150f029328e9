import { randomBytes } from 'node:crypto';

import type { RelayStep } from '../exchange/seam.ts';
import { closeFrame, goingAway, serviceRestart } from './websocket-frames.ts';
import { WebSocketWay } from './websocket-way.ts';
import type { Alarm } from './alarm.ts';
import type { Attempt } from './attempt.ts';
import { sendCopy } from '../http1/body-sender.ts';
import type { ExchangeRun } from './exchange-run.ts';
import { responseText } from '../http1/message-text.ts';
import type { Stage } from './stage.ts';
import type { UpstreamConnection, UpstreamUser } from '../upstreams/upstream-connection.ts';

/** How long the last bytes of a tunnel may take to arrive. */
const lingerMs = 2_000;
/** How long a client has to answer our Close with its own. */
const replyMs = 1_000;

/** Tells the client of the agreed upgrade; from then on the connections belong to the tunnel that is returned. */
export function startTunnel(
  run: ExchangeRun,
  step: RelayStep,
  { step: { upgrade = '', timeouts } }: Attempt,
  upstream: UpstreamConnection,
): Tunnel {
  run.client.socket.write(responseText(step, { kind: 'none' }, { upgrade }), 'latin1');
  const tunnel = new Tunnel(run, upstream, timeouts.idleMs);
  upstream.user = tunnel;
  const delay = run.context.leaveAfterMs();
  if (delay !== undefined) tunnel.leaveAfter(delay);
  return tunnel;
}

/**
 * A WebSocket: bytes both ways after an agreed upgrade (RFC 9110 §7.8), each way with its own end: a side that has finished is told
 * on, the other goes on. The idle timeout runs on the connection to the instance and hears of both ways. When the gateway leaves,
 * or the instance did as it was to, the client is told by a Close frame to come back (1012), not by a cut.
 */
export class Tunnel implements Stage, UpstreamUser {
  readonly #run: ExchangeRun;
  readonly #upstream: UpstreamConnection;
  readonly #idleMs: number;
  readonly #toClient: WebSocketWay;
  readonly #toInstance: WebSocketWay;
  /** When to leave. */
  #departure: Alarm | undefined;
  /** How long the client has for its Close. */
  #reply: Alarm | undefined;
  /** Ways that are still open. */
  #open = 2;
  requestBytes = 0;
  responseBytes = 0;

  constructor(run: ExchangeRun, upstream: UpstreamConnection, idleMs: number) {
    this.#run = run;
    this.#upstream = upstream;
    this.#idleMs = idleMs;
    this.#toClient = new WebSocketWay((bytes) => sendCopy(run.client.socket, bytes));
    this.#toInstance = new WebSocketWay((bytes) => sendCopy(upstream.socket, bytes));
    upstream.arm(idleMs);
  }

  /** It ends in order after `ms`, because the gateway stops. */
  leaveAfter(ms: number): void {
    this.#departure ??= this.#run.alarm(ms, () => {
      this.leave();
    });
  }

  /** Tells both sides, each at the end of the frame under way: the client to come back, the instance that the client goes. */
  leave(): void {
    this.#toClient.leave(closeFrame(serviceRestart, undefined));
    this.#toInstance.leave(closeFrame(goingAway, randomBytes(4)));
    this.#awaitReply();
  }

  clientBytes(bytes: Buffer, from: number, to: number): number {
    this.requestBytes += to - from;
    this.#upstream.arm(this.#idleMs);
    if (this.#toInstance.carry(bytes, from, to) === 'full') this.#run.client.pauseReading();
    if (this.#left && this.#toInstance.closeSeen === 'yes') this.#finish();
    return to;
  }

  upstreamBytes(bytes: Buffer, from: number, to: number): void {
    this.responseBytes += to - from;
    this.#upstream.arm(this.#idleMs);
    if (this.#toClient.carry(bytes, from, to) === 'full') this.#upstream.socket.pause();
    this.#awaitReply();
  }

  clientDrained(): void {
    this.#upstream.arm(this.#idleMs);
    this.#upstream.socket.resume();
  }

  upstreamDrained(): void {
    this.#upstream.arm(this.#idleMs);
    this.#run.client.resumeReading();
  }

  clientEnded(): void {
    if (this.#left) {
      this.#finish();
    } else {
      this.#upstream.socket.end();
      this.#wayEnded();
    }
  }

  upstreamEnded(): void {
    if (this.#left) return;
    if (this.#excused() === 'yes') {
      this.#awaitReply();
    } else {
      this.#run.client.socket.end();
      this.#wayEnded();
    }
  }

  upstreamLost(): void {
    // A client that has been told is given the time to say so.
    if (this.#left) return;
    this.#upstream.destroy();
    if (this.#excused() === 'yes') {
      this.#awaitReply();
    } else {
      this.#clear();
      this.#run.cut('response_incomplete', 'reset');
    }
  }

  upstreamTimedOut(): void {
    this.#clear();
    this.#upstream.destroy();
    this.#run.cut('complete', 'plain');
  }

  upstreamConnected(): void {
    // It is.
  }

  clientTimedOut(): void {
    // The connection to the instance has the timeout.
  }

  expired(): void {
    // Its time has no end.
  }

  faulted(fault: unknown): void {
    this.#run.faulted(fault);
  }

  abandon(): undefined {
    this.#clear();
    this.#upstream.reset();
  }

  /** Whether the client has had its last frame. */
  get #left(): boolean {
    return this.#toClient.state === 'closed';
  }

  /**
   * The instance has gone. One that drains, or is not registered any more, goes as it was to, even if it doesn't say so: the client
   * is told to come back. One that just dies gets no such excuse; the client sees what happened (1006).
   */
  #excused(): 'no' | 'yes' {
    const { endpoint, reuse } = this.#upstream;
    if (endpoint.phase !== 'draining' && reuse !== 'never') return 'no';
    this.#toClient.leave(closeFrame(serviceRestart, undefined));
    return this.#left ? 'yes' : 'no';
  }

  #awaitReply(): void {
    if (!this.#left || this.#reply !== undefined) return;
    if (this.#toInstance.closeSeen === 'yes') {
      this.#finish();
    } else {
      this.#reply = this.#run.alarm(replyMs, () => {
        this.#finish();
      });
    }
  }

  #wayEnded(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#finish();
  }

  /** Both ways are ended; what is still on its way gets a moment to arrive. */
  #finish(): void {
    this.#clear();
    const upstream = this.#upstream;
    upstream.user = undefined;
    if (upstream.phase !== 'closed') {
      upstream.socket.end();
      upstream.arm(lingerMs);
    }
    this.#run.complete('close');
  }

  #clear(): void {
    this.#departure?.clear();
    this.#reply?.clear();
  }
}
