import type { RelayStep } from '../exchange/seam.ts';
import { LateUpload } from './late-upload.ts';
import type { BodyPiece, Flow, InstancePort, InstanceResponse } from './ports.ts';
import { type AttemptStage, InstanceStage, type StageHost } from './stage.ts';
import type { StallTimer } from './stall-timer.ts';
import { TransformedBody } from './transformed-body.ts';

/** What a relay takes over from its attempt. */
interface RelayOptions {
  readonly idleMs: number;
  readonly stall: StallTimer;
}

/** The stage in which a response goes to the client, while the rest of the request may still go the other way. */
export class Relay extends InstanceStage {
  override readonly response = 'part';
  readonly #instance: InstancePort;
  readonly #stall: StallTimer;
  readonly #idleMs: number;
  /** Whether each side has taken all that was written to it. */
  #toClient: Flow = 'flowing';
  #toInstance: Flow = 'flowing';
  #transformed: TransformedBody | undefined;
  /** Whether the request may go on after the response. */
  #outlived = true;

  constructor(host: StageHost, instance: InstancePort, { idleMs, stall }: RelayOptions) {
    super(host);
    this.#instance = instance;
    this.#idleMs = idleMs;
    this.#stall = stall;
  }

  /** Writes the head with the first bytes of the body, which it asks the instance for. */
  start(step: RelayStep, response: InstanceResponse, { step: { upgrade } }: AttemptStage): void {
    const { client, uploading, awaitsContinue } = this.host;
    // A body that is left unread ends the connection; the client should hear of it (R34, R35).
    const { refusing, persistence: instancePersistence } = this.#instance;
    const unread = uploading && (awaitsContinue || refusing || instancePersistence === 'close');
    // What a client has sent behind an upgrade belongs to the new protocol, which was not agreed to (R29).
    const stray = upgrade !== undefined && client.ahead;
    const persistence = unread || stray || step.connection === 'close' ? 'close' : this.host.persistence;
    const { transform } = step;
    if (transform !== undefined && response.body.kind !== 'none')
      this.#transformed = new TransformedBody(transform);
    const sent = transform?.length === 'changed' ? withoutLength(response) : response;
    const form = client.response.begin(step, sent, persistence);
    // A response up to the end of its connection is over only with that.
    this.#outlived = !unread && instancePersistence === 'keep' && client.response.cutBy === 'plain';
    this.#instance.handler = this;
    this.#instance.receive(transform === undefined ? form : 'content');
  }

  override get takes(): 'nothing' | 'body' {
    return this.host.uploading ? 'body' : 'nothing';
  }

  override instanceBody(given: BodyPiece): void {
    const { client } = this.host;
    const piece = this.#transformed?.of(given) ?? given;
    this.#toClient = client.response.send(piece);
    this.responseBytes = piece.contentBytes;
    if (piece.state === 'done') {
      this.#complete();
      return;
    }
    if (this.#toClient === 'full') this.#instance.pause();
    else if (given.expectsLarge) given.source?.expectLarge();
    this.#await();
  }

  override instanceEnded(): void {
    this.#cut('response_incomplete');
  }

  override instanceLost(): void {
    this.host.client.response.flushHead();
    this.#cut('response_incomplete');
  }

  override instanceDrained(): void {
    if (!this.host.uploading) return;
    this.#toInstance = 'flowing';
    this.#await();
    this.host.client.resume();
  }

  override instanceTimedOut(): void {
    const { client } = this.host;
    // A client that has ended its side has left, as likely as not: nothing that the instance could be blamed for.
    if (client.input === 'ended') client.destroy(client.response.cutBy);
    else this.#cut('response_incomplete');
  }

  override clientBody(piece: BodyPiece): void {
    const { upload, client } = this.host;
    const flow = upload?.carry(piece) ?? 'faulty';
    const unfinished = flow !== 'done' && client.input === 'ended' && !client.ahead;
    if (flow === 'faulty' || unfinished) {
      // Half of an answer is out: the rest of the body can only be refused by a cut.
      client.destroy(client.response.cutBy);
      return;
    }
    this.#toInstance = flow === 'full' ? 'full' : 'flowing';
    if (flow === 'full') client.pause();
    this.#await();
  }

  override clientDrained(): void {
    this.#toClient = 'flowing';
    this.#await();
    this.#instance.resume();
  }

  override clientEnded(): void {
    const { client, uploading } = this.host;
    if (uploading && !client.ahead) client.destroy(client.response.cutBy);
  }

  /** The client takes nothing more, or sends nothing more. */
  override clientTimedOut(): void {
    if (this.#stall.keepsPace()) return;
    const { client } = this.host;
    client.destroy(client.response.cutBy);
  }

  override expired(): void {
    this.#cut('deadline');
  }

  override abandon(): undefined {
    this.#stall.stop();
    this.#instance.reset();
  }

  /** Waits for the side that owes the next bytes. */
  #await(): void {
    if (this.#toClient === 'full') this.#stall.awaitClient(this.#idleMs);
    else if (this.#toInstance === 'full' || !this.host.uploading) this.#stall.awaitInstance(this.#idleMs);
    else this.#stall.awaitBoth(this.#idleMs);
  }

  /** The whole response has been written. */
  #complete(): void {
    const { uploading, client } = this.host;
    if (this.#outlived && (uploading || !this.#instance.flush())) {
      const { responseBytes } = this;
      const options = { idleMs: this.#idleMs, stall: this.#stall, responseBytes };
      this.host.uploadOn(new LateUpload(this.host, this.#instance, options));
      return;
    }
    this.#stall.stop();
    this.#instance.release(!uploading);
    this.host.complete(uploading ? 'close' : client.response.persistence);
  }

  /** The response ends here in the middle: the client must see that it is not whole (R38). */
  #cut(kind: 'response_incomplete' | 'deadline'): void {
    this.#stall.stop();
    this.#instance.destroy();
    this.host.cut(kind, this.host.client.response.cutBy);
  }
}

/** A response whose body gets another length than the instance has announced. */
function withoutLength(response: InstanceResponse): InstanceResponse {
  const { body } = response;
  const framing =
    body.kind === 'none' ? { kind: body.kind, statedBytes: undefined } : ({ kind: 'until_close' } as const);
  return { ...response, body: framing };
}
