import type { ErrorCode } from '../exchange/errors.ts';
import type { AttemptFailure, AttemptStep, ExchangeEnd } from '../exchange/seam.ts';
import type { Persistence } from '../http/connection.ts';
import type { OneShotTimer } from '../sockets/one-shot-timer.ts';
import type {
  AcceptedRequest,
  BodyPiece,
  ClientPort,
  CutBy,
  InstanceHandler,
  InstancePort,
  InstanceResponse,
} from './ports.ts';
import type { ProxyContext } from './proxy-context.ts';
import type { StallTimer } from './stall-timer.ts';
import type { Upload } from './upload.ts';

/**
 * One part of an exchange: a wait, an attempt, the relay of a response, a tunnel, or the rest of an unwanted body. What a stage does
 * not say, it ignores.
 */
export abstract class Stage {
  /** How much of a response the client has got from an instance. */
  readonly response: 'none' | 'part' | 'whole' = 'none';
  /** Body bytes that have come from the instance. */
  responseBytes = 0;
  /** Bytes that have come from the client, where they are not the body of the request. */
  requestBytes: number | undefined = undefined;
  protected readonly host: StageHost;

  constructor(host: StageHost) {
    this.host = host;
  }

  /** What the stage takes from the client at the moment. */
  get takes(): 'nothing' | 'body' | 'raw' {
    return 'nothing';
  }

  clientBody(_piece: BodyPiece): void {}

  clientRaw(_bytes: Buffer, _from: number, _to: number): void {}

  clientDrained(): void {}

  /**
   * A client that ends its side behind its request still takes its answer (R40). In the middle of it, it has left, unless the rest is
   * here and only waits to be sent on.
   */
  clientEnded(): void {
    const { uploading, client } = this.host;
    if (uploading && !client.ahead) client.destroy('plain');
  }

  clientTimedOut(): void {}

  /** The time of the whole exchange (`totalMs`) is over. */
  expired(): void {}

  /** Lets go of the instance at once. Returns what the attempt came to, as long as there was no final head. */
  abandon(): AttemptFailure | undefined {
    return undefined;
  }
}

/** A stage that has an instance. */
export abstract class InstanceStage extends Stage implements InstanceHandler {
  instanceReady(): void {}

  instanceHead(_head: InstanceResponse): void {}

  instanceBody(_piece: BodyPiece): void {}

  instanceRaw(_bytes: Buffer, _from: number, _to: number): void {}

  instanceDrained(): void {}

  instanceSilent(): void {}

  abstract instanceEnded(): void;

  abstract instanceLost(code: ErrorCode, sent: 'nothing' | 'something', detail?: string): void;

  abstract instanceTimedOut(): void;

  faulted(fault: unknown): void {
    this.host.faulted(fault);
  }
}

/** An attempt, as the run sees it. */
export abstract class AttemptStage extends InstanceStage {
  abstract readonly step: AttemptStep;
  abstract readonly instance: InstancePort | undefined;
  abstract readonly stall: StallTimer | undefined;
  /** Ends it for `code`, as if the connection had failed. */
  abstract fail(code: ErrorCode): void;
}

/** What the stages see of the run. */
export interface StageHost {
  readonly client: ClientPort;
  readonly context: ProxyContext;
  readonly request: AcceptedRequest;
  /** The request body; undefined when there is none. */
  readonly upload: Upload | undefined;
  /** Whether the client still has to send part of its request. */
  readonly uploading: boolean;
  /** Whether the client may send its body only after a 100. */
  readonly awaitsContinue: boolean;
  /** Whether all of the body that an instance was sent can be sent again. */
  readonly replayable: boolean;
  readonly persistence: Persistence;
  /** Calls `expired` once after `ms`, unless it is cleared before. The caller clears it. */
  timer(ms: number, expired: () => void): OneShotTimer;
  /** An interim head. */
  interim(head: InstanceResponse): void;
  /** A final head of an attempt. */
  responded(attempt: AttemptStage, head: InstanceResponse): void;
  /** An attempt has come to nothing. */
  failed(failure: AttemptFailure, attempt: AttemptStage): void;
  /**
   * An attempt takes long, or its endpoint is silent after `silent` was sent: there may be another beside it, or in its place.
   */
  hedge(attempt: AttemptStage, silent?: AttemptFailure['sent']): void;
  /** A wait is over. */
  waited(how: 'ready' | 'timeout'): void;
  /** The client has got everything, but its request is still on its way. */
  uploadOn(stage: InstanceStage & { start(): void }): void;
  /** The client has got everything, and the instance too. */
  complete(persistence: Persistence): void;
  /** Ends exchange and client connection in the middle. */
  cut(kind: ExchangeEnd['kind'], how: CutBy): void;
  /** A mistake of the gateway's own: it ends this exchange and nothing else. */
  faulted(fault: unknown): void;
}
