import type { ErrorCode } from '../exchange/errors.ts';
import type { AttemptStep } from '../exchange/seam.ts';
import type { HeaderFacts } from '../http/header-facts.ts';
import type { Persistence } from '../http/connection.ts';
import type {
  AcceptedRequest,
  BodyForm,
  BodyPiece,
  Flow,
  InstanceConnector,
  InstanceHandler,
  InstancePort,
  InstanceResponse,
} from '../proxy/ports.ts';
import type { Timeout } from '../sockets/timeout-wheel.ts';
import type { UpstreamConnection, UpstreamUser } from '../upstreams/upstream-connection.ts';
import type { UpstreamPools } from '../upstreams/upstream-pools.ts';
import { writeCopy } from './socket-writer.ts';

/** How long the last bytes of a tunnel may take to arrive. */
const lingerMs = 2_000;

/** A response head, and what it says about the connection. */
export interface ReceivedResponse extends InstanceResponse {
  /** Whether the connection may serve another request. */
  readonly persistence: Persistence;
  /** `Keep-Alive: timeout=` in seconds; −1: unsaid. */
  readonly keepAliveSeconds: number;
}

/** An attempt with the connection that was lent to it. */
export interface LentConnection {
  readonly pools: UpstreamPools;
  readonly upstream: UpstreamConnection;
  readonly step: AttemptStep;
  readonly request: AcceptedRequest;
  readonly handler: InstanceHandler;
}

/** Makes instance ports over connections of `pools`. */
export function createInstances(
  pools: UpstreamPools,
  makePort: (lent: LentConnection) => InstancePort,
): InstanceConnector {
  return {
    open(step, request, handler) {
      const upstream = pools.lend(step, request.client);
      return typeof upstream === 'string' ? upstream : makePort({ pools, upstream, step, request, handler });
    },
  };
}

/** One attempt on a connection of the pools: everything that does not depend on how messages are written and read. */
export abstract class Http1InstancePort implements InstancePort, UpstreamUser {
  handler: InstanceHandler;
  protected readonly upstream: UpstreamConnection;
  readonly #pools: UpstreamPools;
  protected readonly step: AttemptStep;
  protected readonly accepted: AcceptedRequest;
  /** The last head that has come. */
  protected response: ReceivedResponse | undefined;
  /** Whether bytes have come behind the response (R32). */
  protected surplus = false;
  /** Writes so far: before the second one, a failed write tells that nothing has left. */
  protected writes = 0;

  constructor({ pools, upstream, step, request, handler }: LentConnection) {
    this.#pools = pools;
    this.upstream = upstream;
    this.step = step;
    this.accepted = request;
    this.handler = handler;
    upstream.user = this;
  }

  abstract readonly partialHead: boolean;
  abstract request(body: string, form: BodyForm, complete: boolean): void;
  abstract send(piece: BodyPiece, kept: Buffer | undefined): Flow;
  abstract receive(form: BodyForm): void;
  abstract receiveRaw(): void;
  abstract upstreamBytes(bytes: Buffer, from: number, to: number): void;
  abstract upstreamEnded(): void;

  get ready(): boolean {
    return this.upstream.phase === 'open';
  }

  get connection(): 'fresh' | 'reused' {
    return this.upstream.history;
  }

  get leaving(): boolean {
    return this.upstream.endpoint.phase === 'draining' || !this.upstream.reusable;
  }

  get flow(): Flow {
    return this.upstream.writes.flow();
  }

  get persistence(): Persistence {
    return this.response?.persistence ?? 'close';
  }

  get refusing(): boolean {
    return this.upstream.socket.refused !== 'no';
  }

  get timeout(): Timeout {
    return this.upstream.timeout;
  }

  flush(): boolean {
    return this.upstream.writes.flow() === 'flowing';
  }

  /** R51: a login in a head that was sent or has come makes the connection the client's own. */
  protected noteLogin(headers: HeaderFacts | undefined): void {
    if (headers?.login === true) this.#pools.own(this.upstream, this.accepted.client);
  }

  sendRaw(bytes: Buffer): Flow {
    writeCopy(this.upstream.socket, bytes);
    return this.upstream.writes.flow();
  }

  endRaw(): void {
    this.upstream.socket.end();
  }

  pause(): void {
    this.upstream.reads.pause();
  }

  resume(): void {
    this.upstream.reads.resume();
  }

  release(reusable: boolean): void {
    const { response, upstream } = this;
    if (reusable && !this.surplus && response?.persistence === 'keep')
      this.#pools.giveBack(upstream, response.keepAliveSeconds);
    else upstream.destroy();
  }

  finish(): void {
    this.upstream.finish(lingerMs);
  }

  destroy(): void {
    this.upstream.destroy();
  }

  reset(): void {
    this.upstream.reset();
  }

  upstreamReady(): void {
    this.handler.instanceReady();
  }

  upstreamLost(code: ErrorCode, sent: 'nothing' | 'perhaps' | 'something'): void {
    // A write that the kernel refused: the instance had closed the connection before, and nothing of a first write has left.
    const nothing = sent === 'nothing' || (sent === 'perhaps' && this.writes <= 1);
    this.handler.instanceLost(code, nothing ? 'nothing' : 'something');
  }

  upstreamDrained(): void {
    this.handler.instanceDrained();
  }

  upstreamTimedOut(): void {
    this.handler.instanceTimedOut();
  }

  upstreamSilent(): void {
    this.handler.instanceSilent();
  }

  /** The instance has ended its side before it has sent a whole message. */
  protected endedEarly(): void {
    if (this.refusing && this.response === undefined && !this.partialHead)
      this.upstreamLost('upstream_reset', 'perhaps');
    else this.handler.instanceEnded();
  }

  faulted(fault: unknown): void {
    this.handler.faulted(fault);
  }
}
