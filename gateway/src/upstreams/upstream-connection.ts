import { connect, type LookupFunction, type Socket } from 'node:net';

import type { Endpoint } from '@roundhouse/agent-sdk/internal';

import type { ErrorCode } from '../exchange/errors.ts';
import { Timeout, type TimeoutOwner, type TimeoutWheel } from '../proxy/timeout-wheel.ts';
import { Inlet, type ReadBuffers } from '../proxy/read-buffer.ts';
import { ResponseHeadReader } from '../http1/response-head-reader.ts';

/** Who uses a connection to an instance at the moment: it hears everything that happens on it. */
export interface UpstreamUser {
  upstreamConnected(): void;
  /** Valid during the call only. */
  upstreamBytes(bytes: Buffer, from: number, to: number): void;
  /** The instance has said all it will say (FIN). */
  upstreamEnded(): void;
  /** The connection is gone. `sent`: whether anything that was written can have reached the instance. */
  upstreamLost(code: ErrorCode, sent: 'nothing' | 'something'): void;
  /** Everything written has left; called only after a write that did not fit. */
  upstreamDrained(): void;
  upstreamTimedOut(): void;
  /** One of these calls threw. */
  faulted(fault: unknown): void;
}

/** What the connections of an engine share. */
export interface UpstreamContext {
  readonly wheel: TimeoutWheel;
  readonly buffers: ReadBuffers;
  /** For instances registered with a host name. */
  readonly lookup: LookupFunction;
  /** Called once per connection, when its socket has closed. */
  readonly closed: (connection: UpstreamConnection) => void;
}

/** How long the kernel waits before it asks a silent peer whether it is still there. */
const keepAliveProbeMs = 30_000;

/**
 * A connection to an instance: opened for one user, lent to one at a time, dropped when anything happens on it while nobody
 * uses it (R37). Ended by `destroy`, by its pool, or by the instance.
 */
export class UpstreamConnection implements TimeoutOwner {
  readonly endpoint: Endpoint;
  readonly socket: Socket;
  readonly timeout: Timeout;
  readonly inlet: Inlet;
  readonly heads = new ResponseHeadReader();
  /** Exchanges it has completed. */
  served = 0;
  phase: 'connecting' | 'open' | 'closed' = 'connecting';
  user: UpstreamUser | undefined;
  /** `never`: its endpoint is gone, and it is closed after the present use. */
  reuse: 'allowed' | 'never' = 'allowed';
  /** Who has answered on it; a connection stays with whom it was made to. */
  identity: string | undefined;
  /** Writes of the present user. */
  writes = 0;
  readonly #context: UpstreamContext;

  constructor(endpoint: Endpoint, user: UpstreamUser, context: UpstreamContext) {
    this.endpoint = endpoint;
    this.user = user;
    this.#context = context;
    this.timeout = new Timeout(this);
    this.inlet = new Inlet(context.buffers);
    const { address, port } = endpoint.instance;
    this.socket = connect({
      host: address,
      port,
      lookup: context.lookup,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveProbeMs,
      allowHalfOpen: true,
      onread: {
        buffer: () => this.inlet.next(),
        callback: (length, bytes) => this.#read(length, bytes),
      },
    });
    this.socket.on('connect', () => {
      this.phase = 'open';
      this.#tell('upstreamConnected');
    });
    this.socket.on('end', () => {
      this.#tell('upstreamEnded');
    });
    this.socket.on('drain', () => {
      if (this.user !== undefined) this.#tell('upstreamDrained');
    });
    this.socket.on('error', (error) => {
      this.#lost(error);
    });
    this.socket.on('close', () => {
      const { user } = this;
      this.destroy();
      this.inlet.close();
      this.#context.wheel.remove(this.timeout);
      this.#context.closed(this);
      user?.upstreamLost('upstream_reset', 'something');
    });
  }

  /** The user has no more use for it, and it may serve another. */
  settle(): void {
    this.user = undefined;
    this.writes = 0;
    this.served += 1;
    this.heads.clear();
    this.inlet.settle();
  }

  arm(ms: number): void {
    this.#context.wheel.arm(this.timeout, ms);
  }

  disarm(): void {
    this.#context.wheel.disarm(this.timeout);
  }

  timedOut(): void {
    this.#tell('upstreamTimedOut');
  }

  /** Closes it at once. Its user hears nothing more. */
  destroy(): void {
    this.user = undefined;
    this.phase = 'closed';
    this.socket.destroy();
  }

  /** As `destroy`, with a reset: what the instance got must not look finished. */
  reset(): void {
    this.user = undefined;
    this.phase = 'closed';
    if (this.socket.connecting) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  /** R37: whatever happens on a connection that nobody uses, it ends with it. */
  #tell(what: 'upstreamConnected' | 'upstreamEnded' | 'upstreamDrained' | 'upstreamTimedOut'): void {
    const { user } = this;
    if (user === undefined) {
      this.destroy();
    } else {
      try {
        user[what]();
      } catch (fault) {
        user.faulted(fault);
      }
    }
  }

  #read(length: number, bytes: Uint8Array): boolean {
    // R37: nothing may be said on a connection that nobody asked anything.
    if (this.user === undefined) {
      this.destroy();
    } else {
      const { user } = this;
      try {
        if (Buffer.isBuffer(bytes)) user.upstreamBytes(bytes, 0, length);
      } catch (fault) {
        user.faulted(fault);
      }
    }
    return true;
  }

  #lost(error: NodeJS.ErrnoException): void {
    const { user } = this;
    const connecting = this.phase === 'connecting';
    this.user = undefined;
    this.phase = 'closed';
    if (user === undefined) return;
    if (connecting) {
      user.upstreamLost(connectFailure(error.code), 'nothing');
    } else {
      // A first write that the kernel itself refused: the connection had been closed before, and nothing has left.
      const refused = error.syscall === 'write' && this.writes <= 1;
      user.upstreamLost('upstream_reset', refused ? 'nothing' : 'something');
    }
  }
}

function connectFailure(code: string | undefined): ErrorCode {
  if (code === 'ECONNREFUSED') return 'connect_refused';
  return code === 'ETIMEDOUT' ? 'connect_timeout' : 'connect_failed';
}
