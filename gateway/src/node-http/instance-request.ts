import type { EventEmitter } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import type { ErrorCode } from '../exchange/errors.ts';
import type { AttemptStep } from '../exchange/seam.ts';
import { ContentPiece } from '../proxy/content-piece.ts';
import type {
  AcceptedRequest,
  BodyPiece,
  Flow,
  InstanceConnector,
  InstanceHandler,
  InstancePort,
  InstanceResponse,
} from '../proxy/ports.ts';
import { Timeout, type TimeoutOwner, type TimeoutWheel } from '../sockets/timeout-wheel.ts';
import type { EndpointAgent, EndpointPools } from './endpoint-pools.ts';
import { connectFailure, responseFailure } from './failure.ts';
import { attemptLines } from './field-lines.ts';
import type { Forwarder } from './forwarder.ts';
import { PendingConnect } from './identity-check.ts';
import { isSound, readResponse } from './response-head.ts';

/** Response heads are taken up to this size; node:http reports more as a protocol error. */
const responseHeadBytes = 32 * 1024;
/** How long the last bytes of a tunnel may take to arrive. */
const lingerMs = 2_000;

/** What the requests of an engine share. */
export interface NodeInstanceContext {
  readonly forwarder: Forwarder;
  readonly pools: EndpointPools;
  readonly wheel: TimeoutWheel;
}

/** Speaks to instances through the `http-proxy` package and node:http's client. */
export function createNodeInstances(context: NodeInstanceContext): InstanceConnector {
  const { pools } = context;
  return {
    open: (step, request, handler) => new NodeInstance(step, request, handler, context),
    closeIdleExcept: (live) => {
      pools.retain(live);
    },
    get size() {
      return pools.size();
    },
    close: () => pools.close(),
  };
}

/** One request through `http-proxy`. Nothing is sent before its connection stands, so that a failure to connect can be retried. */
class NodeInstance implements InstancePort, TimeoutOwner {
  handler: InstanceHandler;
  ready = false;
  readonly partialHead = false;
  readonly timeout: Timeout;
  readonly #step: AttemptStep;
  readonly #wheel: TimeoutWheel;
  readonly #pools: EndpointPools;
  readonly #agent: EndpointAgent;
  readonly #pendingConnect = new PendingConnect();
  readonly #request: ClientRequest;
  #message: IncomingMessage | undefined;
  #body: ContentPiece | undefined;
  /** After a 101: the connection, and bytes of the new protocol that came with the head. */
  #raw: Socket | undefined;
  #first: Buffer = Buffer.alloc(0);
  #over = false;

  /** Throws when node:http refuses the step. */
  constructor(
    step: AttemptStep,
    request: AcceptedRequest,
    handler: InstanceHandler,
    { forwarder, pools, wheel }: NodeInstanceContext,
  ) {
    const { instance } = step.endpoint;
    this.handler = handler;
    this.timeout = new Timeout(this);
    this.#step = step;
    this.#wheel = wheel;
    this.#pools = pools;
    this.#agent = pools.agentFor(step);
    this.#request = forwarder.forward({
      agent: this.#agent,
      pendingConnect: this.#pendingConnect,
      host: instance.address,
      port: instance.port,
      method: step.method,
      path: step.target,
      headers: attemptLines(step, request),
      maxHeaderSize: responseHeadBytes,
    });
    // Otherwise lines after the thousandth would be hidden and still obeyed by the parser.
    this.#request.maxHeadersCount = 0;
    this.#listen();
  }

  get connection(): 'fresh' | 'reused' {
    return this.#request.reusedSocket ? 'reused' : 'fresh';
  }

  get leaving(): boolean {
    return this.#step.endpoint.phase === 'draining' || this.#agent.state === 'retired';
  }

  get flow(): Flow {
    return this.#request.writableNeedDrain ? 'full' : 'flowing';
  }

  request(body: string, _form: 'content', complete: boolean): void {
    if (complete) this.#request.end(body, 'latin1');
    else if (body === '') this.#request.flushHeaders();
    else this.#request.write(body, 'latin1');
  }

  send({ bytes, spans, state }: BodyPiece): Flow {
    if (spans.length > 0) this.#request.write(bytes);
    if (state === 'done') this.#request.end();
    return this.flow;
  }

  receive(): void {
    const message = this.#message;
    const body = this.#body;
    if (message === undefined || body === undefined) return;
    if (body.state === 'done') {
      message.resume();
      this.handler.instanceBody(body);
      return;
    }
    this.#on(message, 'data', (bytes: Buffer) => {
      if (body.state === 'more') this.handler.instanceBody(body.take(bytes));
    });
    this.#on(message, 'end', () => {
      if (message.complete && body.state === 'more') this.handler.instanceBody(body.finish());
    });
    this.#on(message, 'close', () => {
      if (body.state === 'more') this.handler.instanceEnded();
    });
    // The first bytes usually go out with the head in one write; a head without bytes (SSE) must not wait for them.
    process.nextTick(
      this.#guard(() => {
        if (body.contentBytes === 0 && body.state === 'more') this.handler.instanceBody(body);
      }),
    );
  }

  receiveRaw(): void {
    const socket = this.#raw;
    if (socket === undefined) return;
    const first = this.#first;
    if (first.length > 0) this.handler.instanceRaw(first, 0, first.length);
    socket.setTimeout(0);
    this.#on(socket, 'data', (bytes: Buffer) => {
      this.handler.instanceRaw(bytes, 0, bytes.length);
    });
    this.#on(socket, 'end', () => {
      this.handler.instanceEnded();
    });
    this.#on(socket, 'drain', () => {
      this.handler.instanceDrained();
    });
    this.#on(socket, 'close', () => {
      this.handler.instanceLost('upstream_reset', 'something');
    });
    socket.resume();
  }

  sendRaw(bytes: Buffer): Flow {
    return this.#raw?.write(bytes) === false ? 'full' : 'flowing';
  }

  endRaw(): void {
    this.#raw?.end();
  }

  pause(): void {
    (this.#raw ?? this.#message)?.pause();
  }

  resume(): void {
    (this.#raw ?? this.#message)?.resume();
  }

  release(reusable: boolean): void {
    this.#end();
    // The agent takes the connection back when the message has been read to its end.
    if (reusable) this.#message?.resume();
    else this.#request.destroy();
  }

  finish(): void {
    this.#end();
    const socket = this.#raw;
    if (socket === undefined || socket.destroyed) return;
    socket.on('end', () => {
      socket.destroy();
    });
    socket.end();
    socket.resume();
    if (socket.readableEnded) socket.destroySoon();
    else this.#lingerOn(socket);
  }

  destroy(): void {
    this.#end();
    this.#pendingConnect.abandon();
    this.#request.destroy();
    this.#raw?.destroy();
  }

  reset(): void {
    this.destroy();
  }

  timedOut(): void {
    this.#guard(() => {
      this.handler.instanceTimedOut();
    })();
  }

  #listen(): void {
    const request = this.#request;
    request.on('error', (error) => {
      this.#lose(this.ready ? responseFailure(error) : connectFailure(error));
    });
    request.on('close', () => {
      this.#lose(this.ready ? 'upstream_reset' : 'connect_failed');
    });
    request.on('socket', (socket) => {
      if (socket.connecting) {
        socket.once('connect', () => {
          this.#connected();
        });
      } else if (socket.destroyed) {
        this.#lose(request.reusedSocket ? 'upstream_reset' : 'connect_failed');
      } else {
        this.#connected();
      }
    });
    this.#on(request, 'drain', () => {
      this.handler.instanceDrained();
    });
    request.on('information', ({ statusCode: status, statusMessage: reason, rawHeaders: fields }) => {
      this.#head({
        status,
        reason,
        fields,
        body: { kind: 'none', statedBytes: undefined },
      });
    });
    request.on('response', (message) => {
      const head = readResponse(message, this.#step.method);
      if (head === undefined || this.#over) {
        message.destroy();
        this.#lose('upstream_protocol');
        return;
      }
      this.#message = message;
      const { body } = head;
      this.#body = new ContentPiece(
        body.kind === 'length' ? body.bytes : body.kind === 'none' ? 0 : undefined,
      );
      // Told by `close`, with or without it.
      message.on('error', () => undefined);
      this.#pools.carries(message.socket, message);
      if (head.persistence === 'close') request.shouldKeepAlive = false;
      this.#head(head);
    });
    // Always attached: without a listener node:http drops a 101 and says nothing.
    request.on('upgrade', (message, socket, first) => {
      this.#pools.handOver(socket);
      this.#raw = socket;
      this.#first = first;
      const { statusMessage: reason = '', rawHeaders: fields } = message;
      if (this.#over) socket.destroy();
      this.#head({ status: 101, reason, fields, body: { kind: 'none', statedBytes: undefined } });
    });
  }

  #connected(): void {
    if (this.#over || this.ready) return;
    this.ready = true;
    this.#guard(() => {
      this.handler.instanceReady();
    })();
  }

  #head(head: InstanceResponse): void {
    if (isSound(head)) {
      this.#guard(() => {
        this.handler.instanceHead(head);
      })();
    } else {
      this.#lose('upstream_protocol');
    }
  }

  /** Before the response head: afterwards the message or the raw connection tells. */
  #lose(code: ErrorCode): void {
    const before = this.#message === undefined && this.#raw === undefined;
    if (before || code === 'upstream_protocol') {
      this.#guard(() => {
        this.handler.instanceLost(code, this.ready ? 'something' : 'nothing');
      })();
    }
  }

  #on(source: EventEmitter, event: string, work: (bytes: Buffer) => void): void {
    source.on(event, this.#guard(work));
  }

  /** Work that is left out once this port has ended, and whose mistakes end its exchange only. */
  #guard<A extends readonly unknown[]>(work: (...values: A) => void): (...values: A) => void {
    return (...values) => {
      if (this.#over) return;
      try {
        work(...values);
      } catch (fault) {
        this.handler.faulted(fault);
      }
    };
  }

  #end(): void {
    this.#over = true;
    this.#wheel.remove(this.timeout);
  }

  /** What is on its way gets a moment to arrive. */
  #lingerOn(socket: Socket): void {
    const timeout = new Timeout({ timedOut: () => socket.destroy() });
    this.#wheel.arm(timeout, lingerMs);
    socket.on('close', () => {
      this.#wheel.remove(timeout);
    });
  }
}
