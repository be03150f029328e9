import type { BodyPiece, InstancePort } from './ports.ts';
import { InstanceStage, type StageHost } from './stage.ts';
import type { StallTimer } from './stall-timer.ts';

/** What it takes over from the relay. */
interface LateUploadOptions {
  readonly idleMs: number;
  readonly stall: StallTimer;
  readonly responseBytes: number;
}

/**
 * The stage after a whole response to a request that is still on its way: an instance may answer first and read on (RFC 9112 §9.3), so
 * request and response end independently (R50). The client has its response, whatever comes; where the request can't go on, the
 * client's connection ends.
 */
export class LateUpload extends InstanceStage {
  override readonly response = 'whole';
  readonly #instance: InstancePort;
  readonly #stall: StallTimer;
  readonly #idleMs: number;

  constructor(host: StageHost, instance: InstancePort, { idleMs, stall, responseBytes }: LateUploadOptions) {
    super(host);
    this.#instance = instance;
    this.#idleMs = idleMs;
    this.#stall = stall;
    this.responseBytes = responseBytes;
  }

  start(): void {
    this.#instance.handler = this;
    this.#goOn();
  }

  override get takes(): 'nothing' | 'body' {
    return this.host.uploading ? 'body' : 'nothing';
  }

  override clientBody(piece: BodyPiece): void {
    const { upload, client } = this.host;
    const flow = upload?.carry(piece) ?? 'faulty';
    if (flow === 'faulty') this.#end();
    else if (flow === 'done') this.#finish();
    else if (client.input === 'ended' && !client.ahead) this.#end();
    else this.#await(flow === 'full');
  }

  override instanceDrained(): void {
    this.#goOn();
  }

  override instanceEnded(): void {
    this.#end();
  }

  override instanceLost(): void {
    this.#end();
  }

  override instanceTimedOut(): void {
    this.#end();
  }

  override clientEnded(): void {
    const { uploading, client } = this.host;
    if (uploading && !client.ahead) this.#end();
  }

  override clientTimedOut(): void {
    if (!this.#stall.keepsPace()) this.#end();
  }

  override expired(): void {
    this.#end();
  }

  override abandon(): undefined {
    this.#stall.stop();
    this.#instance.reset();
  }

  #goOn(): void {
    if (!this.host.uploading) {
      this.#finish();
      return;
    }
    const full = this.#instance.flow === 'full';
    this.#await(full);
    if (!full) this.host.client.resume();
  }

  #await(full: boolean): void {
    if (full) {
      this.host.client.pause();
      this.#stall.awaitInstance(this.#idleMs);
    } else {
      this.#stall.awaitClient(this.#idleMs);
    }
  }

  /** The client has sent everything: the connection is free once the instance has taken it. */
  #finish(): void {
    if (this.#instance.flush()) {
      this.#stall.stop();
      this.#instance.release(true);
      this.host.complete(this.host.client.response.persistence);
    } else {
      this.#stall.awaitInstance(this.#idleMs);
    }
  }

  /** The rest of the request goes nowhere. */
  #end(): void {
    this.abandon();
    this.host.complete(this.host.uploading ? 'close' : this.host.client.response.persistence);
  }
}
