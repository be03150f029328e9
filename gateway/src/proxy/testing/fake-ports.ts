import { TimeoutWheel, Timeout, tickMs } from '../../sockets/timeout-wheel.ts';
import type { AnswerStep, AttemptStep, RelayStep } from '../../exchange/seam.ts';
import type { Persistence } from '../../http/connection.ts';
import type { ResponseHead } from '../../http/message.ts';
import { type ContentPiece } from '../content-piece.ts';
import { pieceText } from '../body-piece.ts';
import type {
  AcceptedRequest,
  BodyPiece,
  ClientHandler,
  ClientPort,
  CutBy,
  Flow,
  InstanceConnector,
  InstanceHandler,
  InstancePort,
  InstanceResponse,
  ResponseWriter,
} from '../ports.ts';

/** A wheel whose time a test moves on. */
export function manualWheel(): { readonly wheel: TimeoutWheel; pass(ms: number): void } {
  let tick: (() => void) | undefined;
  const wheel = new TimeoutWheel((each) => {
    tick = each;
    return () => {
      tick = undefined;
    };
  });
  return {
    wheel,
    pass(ms) {
      for (let at = 0; at <= ms + tickMs; at += tickMs) tick?.();
    },
  };
}

/** A client without a socket: remembers what it was told, and lets a test be the client. */
export class FakeClient implements ClientPort {
  readonly facts = { address: '192.0.2.1', port: 1, scheme: 'http', localPort: 80 } as const;
  input: 'open' | 'ended' = 'open';
  ahead = false;
  smallBody = '';
  body: ContentPiece | undefined;
  readonly timeout: Timeout;
  movedBytes = 0;
  readonly response: FakeResponse;
  readonly events: string[] = [];
  handler: ClientHandler | undefined;

  constructor() {
    this.timeout = new Timeout({ timedOut: () => this.handler?.clientTimedOut() });
    this.response = new FakeResponse(this.events);
  }

  pause(): void {
    this.events.push('pause');
  }

  resume(): void {
    this.events.push('resume');
  }

  done(persistence: Persistence): void {
    this.events.push(`done ${persistence}`);
  }

  close(): void {
    this.events.push('close');
  }

  /** As a socket, it tells the run when it is gone. */
  destroy(how: CutBy): void {
    this.events.push(`destroy ${how}`);
    this.handler?.clientGone();
  }

  /** The client sends part of its body. */
  send(text: string): void {
    if (this.body !== undefined) this.handler?.clientBody(this.body.take(Buffer.from(text)));
  }

  /** The client ends its body. */
  sendEnd(): void {
    if (this.body !== undefined) this.handler?.clientBody(this.body.finish());
  }
}

class FakeResponse implements ResponseWriter {
  flow: Flow = 'flowing';
  persistence: Persistence = 'keep';
  readonly cutBy = 'plain';
  readonly #events: string[];

  constructor(events: string[]) {
    this.#events = events;
  }

  interim({ status }: ResponseHead): void {
    this.#events.push(`interim ${String(status)}`);
  }

  answer({ status }: AnswerStep, persistence: Persistence): number {
    this.#events.push(`answer ${String(status)} ${persistence}`);
    return 0;
  }

  begin({ status }: RelayStep, _response: InstanceResponse, persistence: Persistence): 'content' {
    this.persistence = persistence;
    this.#events.push(`begin ${String(status)}`);
    return 'content';
  }

  send(piece: BodyPiece): Flow {
    this.#events.push(`send ${pieceText(piece)}`);
    return this.flow;
  }

  flushHead(): void {
    this.#events.push('flush');
  }

  switchProtocols(_step: RelayStep, protocol: string): void {
    this.#events.push(`switch ${protocol}`);
  }

  sendRaw(bytes: Buffer): Flow {
    this.#events.push(`raw ${bytes.toString('latin1')}`);
    return this.flow;
  }

  endRaw(): void {
    this.#events.push('end raw');
  }
}

/** An instance without a socket; a test speaks for it through `handler`. */
export class FakeInstance implements InstancePort {
  handler: InstanceHandler;
  ready = false;
  connection: 'fresh' | 'reused' = 'fresh';
  partialHead = false;
  leaving = false;
  flow: Flow = 'flowing';
  persistence: Persistence = 'keep';
  refusing = false;
  flushed = true;
  readonly step: AttemptStep;
  readonly timeout: Timeout;
  readonly events: string[] = [];

  constructor(step: AttemptStep, handler: InstanceHandler) {
    this.step = step;
    this.handler = handler;
    this.timeout = new Timeout({
      timedOut: () => {
        this.handler.instanceTimedOut();
      },
    });
  }

  connect(): void {
    this.ready = true;
    this.handler.instanceReady();
  }

  respond(status: number, body: InstanceResponse['body'] = { kind: 'length', bytes: 5 }): void {
    this.handler.instanceHead({ status, reason: '', fields: [], body });
  }

  request(body: string, _form: string, complete: boolean): void {
    this.events.push(`request ${body}${complete ? ' whole' : ''}`);
  }

  send(piece: BodyPiece): Flow {
    this.events.push(`send ${pieceText(piece)}`);
    return this.flow;
  }

  flush(): boolean {
    return this.flushed;
  }

  receive(): void {
    this.events.push('receive');
  }

  receiveRaw(): void {
    this.events.push('receive raw');
  }

  sendRaw(bytes: Buffer): Flow {
    this.events.push(`raw ${bytes.toString('latin1')}`);
    return this.flow;
  }

  endRaw(): void {
    this.events.push('end raw');
  }

  pause(): void {
    this.events.push('pause');
  }

  resume(): void {
    this.events.push('resume');
  }

  release(reusable: boolean): void {
    this.events.push(`release ${String(reusable)}`);
  }

  finish(): void {
    this.events.push('finish');
  }

  destroy(): void {
    this.events.push('destroy');
  }

  reset(): void {
    this.events.push('reset');
  }
}

/** Opens fake instances, and keeps them for the test. */
export class FakeInstances implements InstanceConnector {
  readonly opened: FakeInstance[] = [];

  open(step: AttemptStep, _request: AcceptedRequest, handler: InstanceHandler): FakeInstance {
    const instance = new FakeInstance(step, handler);
    this.opened.push(instance);
    return instance;
  }
}
