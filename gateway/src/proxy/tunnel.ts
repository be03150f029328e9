import { randomBytes } from 'node:crypto';

import type { RelayStep } from '../exchange/seam.ts';
import type { OneShotTimer } from '../sockets/one-shot-timer.ts';
import type { InstancePort } from './ports.ts';
import { type AttemptStage, InstanceStage, type StageHost } from './stage.ts';
import type { StallTimer } from './stall-timer.ts';
import { WebSocketDirection } from './websocket-direction.ts';
import { closeFrame, goingAway, serviceRestart } from './websocket-frames.ts';

/** How long a client has to answer the gateway's Close frame with its own. */
const replyMs = 1_000;

/** What a tunnel takes over from its attempt. */
interface TunnelOptions {
  readonly idleMs: number;
  readonly stall: StallTimer;
}

/**
 * A WebSocket: bytes both ways after an agreed upgrade (RFC 9110 §7.8). Each direction has its own end: the end of one side is passed
 * on, the other side goes on. When the gateway stops, or an instance goes that was expected to, the client gets a Close frame
 * that tells it to come back (1012).
 */
export class Tunnel extends InstanceStage {
  override readonly response = 'part';
  override requestBytes = 0;
  readonly #instance: InstancePort;
  readonly #stall: StallTimer;
  readonly #idleMs: number;
  readonly #toClient: WebSocketDirection;
  readonly #toInstance: WebSocketDirection;
  #closeDelay: OneShotTimer | undefined;
  #replyLimit: OneShotTimer | undefined;
  #openDirections = 2;

  constructor(host: StageHost, instance: InstancePort, { idleMs, stall }: TunnelOptions) {
    super(host);
    this.#instance = instance;
    this.#idleMs = idleMs;
    this.#stall = stall;
    this.#toClient = new WebSocketDirection((bytes) => host.client.response.sendRaw(bytes));
    this.#toInstance = new WebSocketDirection((bytes) => instance.sendRaw(bytes));
  }

  /** Tells the client of the agreed upgrade and passes on what has come behind it. */
  start(step: RelayStep, { step: { upgrade = '' } }: AttemptStage): void {
    const { client, context } = this.host;
    client.response.switchProtocols(step, upgrade);
    this.#instance.handler = this;
    this.#moved();
    const delayMs = context.closeAfterMs();
    if (delayMs !== undefined) this.closeAfter(delayMs);
    this.#instance.receiveRaw();
    client.resume();
    if (client.input === 'ended') this.clientEnded();
  }

  /** Closes it in order after `ms`, because the gateway stops. */
  closeAfter(ms: number): void {
    this.#closeDelay ??= this.host.timer(ms, () => {
      this.close();
    });
  }

  /** Sends a Close frame to both sides, behind the frame that is under way. */
  close(): void {
    this.#toClient.close(closeFrame(serviceRestart, undefined));
    this.#toInstance.close(closeFrame(goingAway, randomBytes(4)));
    this.#awaitReply();
  }

  override get takes(): 'raw' {
    return 'raw';
  }

  override clientRaw(bytes: Buffer, from: number, to: number): void {
    this.requestBytes += to - from;
    this.#moved();
    if (this.#toInstance.carry(bytes, from, to) === 'full') this.host.client.pause();
    if (this.#clientClosed && this.#toInstance.closeSeen) this.#finish();
  }

  override instanceRaw(bytes: Buffer, from: number, to: number): void {
    this.responseBytes += to - from;
    this.#moved();
    if (this.#toClient.carry(bytes, from, to) === 'full') this.#instance.pause();
    this.#awaitReply();
  }

  override clientDrained(): void {
    this.#moved();
    this.#instance.resume();
  }

  override instanceDrained(): void {
    this.#moved();
    this.host.client.resume();
  }

  override clientEnded(): void {
    if (this.#clientClosed) {
      this.#finish();
    } else {
      this.#instance.endRaw();
      this.#directionEnded();
    }
  }

  override instanceEnded(): void {
    if (this.#clientClosed) return;
    if (this.#closedForLeaving()) {
      this.#awaitReply();
    } else {
      this.host.client.response.endRaw();
      this.#directionEnded();
    }
  }

  override instanceLost(): void {
    // A client that has its Close frame gets the time to answer it.
    if (this.#clientClosed) return;
    this.#instance.destroy();
    if (this.#closedForLeaving()) {
      this.#awaitReply();
    } else {
      this.#stop();
      this.host.cut('response_incomplete', 'reset');
    }
  }

  override instanceTimedOut(): void {
    this.#stop();
    this.#instance.destroy();
    this.host.cut('complete', 'plain');
  }

  override abandon(): undefined {
    this.#stop();
    this.#instance.reset();
  }

  /** Whether the client has got its Close frame. */
  get #clientClosed(): boolean {
    return this.#toClient.state === 'closed';
  }

  /** There was progress in one of the directions. */
  #moved(): void {
    this.#stall.awaitInstance(this.#idleMs);
  }

  /**
   * The instance has gone. When it drains or is not registered any more, the client gets a Close frame (1012). When it just dies, the
   * client sees the cut (1006).
   */
  #closedForLeaving(): boolean {
    if (!this.#instance.leaving) return false;
    this.#toClient.close(closeFrame(serviceRestart, undefined));
    return this.#clientClosed;
  }

  #awaitReply(): void {
    if (!this.#clientClosed || this.#replyLimit !== undefined) return;
    if (this.#toInstance.closeSeen) {
      this.#finish();
    } else {
      this.#replyLimit = this.host.timer(replyMs, () => {
        this.#finish();
      });
    }
  }

  #directionEnded(): void {
    this.#openDirections -= 1;
    if (this.#openDirections === 0) this.#finish();
  }

  /** Both directions have ended; what is still on its way gets a moment to arrive. */
  #finish(): void {
    this.#stop();
    this.#instance.finish();
    this.host.complete('close');
  }

  #stop(): void {
    this.#stall.stop();
    this.#closeDelay?.clear();
    this.#replyLimit?.clear();
  }
}
