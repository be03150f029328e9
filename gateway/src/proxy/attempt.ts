import type { ErrorCode } from '../exchange/errors.ts';
import type { AttemptFailure, AttemptStep } from '../exchange/seam.ts';
import { hasBody } from '../http/connection.ts';
import type { OneShotTimer } from '../sockets/one-shot-timer.ts';
import type { AcceptedRequest, BodyPiece, InstancePort, InstanceResponse } from './ports.ts';
import { AttemptStage, type StageHost } from './stage.ts';
import { StallTimer } from './stall-timer.ts';

/** Interim responses that an instance may send before its final one. */
const maxInterims = 32;

/** One try of an exchange on an endpoint: from finding a connection to the final head of the response. */
export class Attempt extends AttemptStage {
  readonly step: AttemptStep;
  instance: InstancePort | undefined;
  stall: StallTimer | undefined;
  #phase: 'connecting' | 'sent' = 'connecting';
  #interims = 0;
  #tryLimit: OneShotTimer | undefined;
  #hedgeDelay: OneShotTimer | undefined;

  constructor(host: StageHost, step: AttemptStep) {
    super(host);
    this.step = step;
  }

  /** Takes an idle connection or opens one. */
  start(): void {
    const { step } = this;
    const { context, client, request } = this.host;
    this.#setLimits();
    const instance = context.instances.open(step, sentRequest(request, step), this);
    if (typeof instance === 'string') {
      this.#fail(instance);
      return;
    }
    this.instance = instance;
    this.stall = new StallTimer(context.wheel, client, instance.timeout, context.limits);
    if (instance.ready) this.#send(instance, this.stall);
    else this.stall.awaitInstance(step.timeouts.connectMs);
  }

  override instanceReady(): void {
    if (this.instance !== undefined && this.stall !== undefined) this.#send(this.instance, this.stall);
  }

  override instanceHead(head: InstanceResponse): void {
    if (head.status >= 200 || head.status === 101) {
      this.#clearLimits();
      this.stall?.stop();
      this.host.responded(this, head);
      return;
    }
    this.#interims += 1;
    if (this.#interims > maxInterims) {
      this.#fail('upstream_protocol');
      return;
    }
    this.host.interim(head);
    // The instance wants the body: now the client is waited for.
    if (head.status === 100 && this.host.uploading) this.stall?.awaitClient(this.step.timeouts.idleMs);
  }

  override instanceEnded(): void {
    if (this.instance?.partialHead === true) this.#fail('response_incomplete');
    else this.instanceLost('upstream_reset', 'something');
  }

  override instanceLost(code: ErrorCode, sent: 'nothing' | 'something', detail?: string): void {
    const { uploading, awaitsContinue } = this.host;
    const unread = (uploading && !awaitsContinue) || this.instance?.refusing === true;
    const refused = code === 'upstream_reset' && sent === 'something' && unread;
    this.#fail(refused ? 'upload_refused' : code, sent, detail);
  }

  override instanceDrained(): void {
    const { uploading, awaitsContinue, client } = this.host;
    if (!uploading) return;
    if (!awaitsContinue) this.stall?.awaitClient(this.step.timeouts.idleMs);
    client.resume();
  }

  override instanceTimedOut(): void {
    this.#fail(this.#phase === 'sent' ? 'upstream_timeout' : 'connect_timeout');
  }

  override instanceSilent(): void {
    this.host.hedge(this, this.#sent);
  }

  override get takes(): 'nothing' | 'body' {
    return this.#phase === 'sent' && this.host.uploading ? 'body' : 'nothing';
  }

  override clientBody(piece: BodyPiece): void {
    const { upload, client } = this.host;
    if (upload === undefined) return;
    const { responseHeadMs, idleMs } = this.step.timeouts;
    switch (upload.carry(piece)) {
      case 'faulty':
        this.#fail(upload.fault);
        return;
      case 'done':
        this.stall?.awaitInstance(responseHeadMs);
        return;
      case 'full':
        client.pause();
        this.stall?.awaitInstance(idleMs);
        break;
      case 'flowing':
        this.stall?.awaitClient(idleMs);
    }
    // All that the client has sent is taken, and it is not a whole request.
    if (client.input === 'ended' && !client.ahead) client.destroy('plain');
  }

  override clientEnded(): void {
    // Without its side there is nothing to switch to.
    if (this.step.upgrade !== undefined) this.host.client.destroy('plain');
    else super.clientEnded();
  }

  override clientTimedOut(): void {
    if (this.stall?.keepsPace() === true) return;
    if (this.host.uploading) this.#fail('request_timeout');
  }

  override expired(): void {
    this.#fail('deadline_exceeded');
  }

  override abandon(): AttemptFailure {
    const failure = this.#failure('client_closed', 'something');
    this.#drop();
    return failure;
  }

  fail(code: ErrorCode): void {
    this.#fail(code);
  }

  #fail(code: ErrorCode, sent: 'nothing' | 'something' = 'something', detail?: string): void {
    const failure = this.#failure(code, sent, detail);
    this.#drop();
    this.host.failed(failure, this);
  }

  /** The connection is reset: an instance must not take a request for whole that it has not got whole. */
  #drop(): void {
    this.#clearLimits();
    this.stall?.stop();
    this.instance?.reset();
    this.instance = undefined;
  }

  #failure(code: ErrorCode, sent: 'nothing' | 'something', detail?: string): AttemptFailure {
    const connection = this.instance?.connection ?? 'fresh';
    const failure: AttemptFailure = { code, sent: sent === 'nothing' ? sent : this.#sent, connection };
    return detail === undefined ? failure : { ...failure, detail };
  }

  /** How far the request has got. */
  get #sent(): AttemptFailure['sent'] {
    if (this.#phase === 'connecting') return 'nothing';
    return this.host.replayable ? 'head' : 'body';
  }

  /** Sends the request, as far as it has come. */
  #send(instance: InstancePort, stall: StallTimer): void {
    // What was kept for this attempt has been given up meanwhile.
    if (this.host.upload?.lost === true) {
      this.#fail('exhausted');
      return;
    }
    this.#phase = 'sent';
    const { client, upload, uploading, awaitsContinue } = this.host;
    const { responseHeadMs, idleMs } = this.step.timeouts;
    upload?.start(instance, this.step.transform);
    instance.request(upload?.kept ?? '', upload?.form ?? 'content', !uploading);
    if (!uploading) {
      stall.awaitInstance(responseHeadMs);
    } else if (instance.flow === 'full') {
      client.pause();
      stall.awaitInstance(idleMs);
    } else {
      // A client that waits for a 100 sends nothing before the instance has answered.
      if (awaitsContinue) stall.awaitInstance(responseHeadMs);
      else stall.awaitClient(idleMs);
      client.resume();
    }
  }

  #setLimits(): void {
    const { hedgeAfterMs, timeouts } = this.step;
    if (timeouts.tryMs > 0) {
      this.#tryLimit = this.host.timer(timeouts.tryMs, () => {
        this.#fail('try_timeout');
      });
    }
    if (hedgeAfterMs > 0) {
      this.#hedgeDelay = this.host.timer(hedgeAfterMs, () => {
        this.host.hedge(this);
      });
    }
  }

  #clearLimits(): void {
    this.#tryLimit?.clear();
    this.#hedgeDelay?.clear();
  }
}

/** The request as an instance gets it: a transform that changes its length makes it chunked. */
function sentRequest(request: AcceptedRequest, { transform }: AttemptStep): AcceptedRequest {
  if (transform?.length !== 'changed' || !hasBody(request)) return request;
  return { ...request, body: { kind: 'chunked' } };
}
