import type { LookupFunction, TcpNetConnectOpts } from 'node:net';

import {
  identityQuestion,
  ownShortage,
  readIdentityAnswer,
  type Endpoint,
} from '@roundhouse/agent-sdk/internal';

import type { ErrorCode } from '../exchange/errors.ts';
import { InstanceSocket } from './instance-socket.ts';
import { ReadBuffer, type ReadBuffers } from '../sockets/read-buffer.ts';
import { PacedReads } from '../sockets/paced-reads.ts';
import { PendingWrites } from '../sockets/pending-writes.ts';
import { Timeout, type TimeoutOwner, type TimeoutWheel } from '../sockets/timeout-wheel.ts';

/** The user of a connection to an instance: it hears everything that happens on it. */
export interface UpstreamUser {
  /** The connection stands, and the instance has answered the identity question where there is one. */
  upstreamReady(): void;
  /** Valid during the call only. */
  upstreamBytes(bytes: Buffer, from: number, to: number): void;
  /** The instance has ended its side (FIN). */
  upstreamEnded(): void;
  /** The connection is gone. `nothing`: nothing has been written. `perhaps`: the kernel refused a write. */
  upstreamLost(code: ErrorCode, sent: 'nothing' | 'perhaps' | 'something'): void;
  /** Everything written has left; called only after a write that did not fit. */
  upstreamDrained(): void;
  upstreamTimedOut(): void;
  /** The instance owes answers and does not say that it lives. May come again. */
  upstreamSilent(): void;
  /** One of these calls threw. */
  faulted(fault: unknown): void;
}

/** What all connections share. */
export interface UpstreamContext {
  readonly wheel: TimeoutWheel;
  readonly buffers: ReadBuffers;
  /** Resolves the host name of an instance and refuses addresses that must not be reached. */
  readonly lookup: LookupFunction;
  /** Called when a connection could not be opened, with what the process or its machine has run out of. */
  readonly exhausted: (why: string) => void;
  /** Called once per connection, when its socket has closed. */
  readonly closed: (connection: UpstreamConnection) => void;
}

/** How long the kernel waits before it probes a silent peer. */
const keepAliveProbeMs = 30_000;

/**
 * A connection to an instance: opened for one user, lent to one at a time, closed when anything happens on it while it has no user
 * (R37). Where the instance has an identity, the connection asks for it before anything else is sent (decision 0007). Ended by
 * `destroy`, `reset` or `finish`, by its pool, or by the instance.
 */
export class UpstreamConnection implements TimeoutOwner {
  readonly endpoint: Endpoint;
  /** The id that the instance has to answer with, or has answered with; undefined: it is not asked. */
  readonly identity: string | undefined;
  readonly socket: InstanceSocket;
  readonly timeout: Timeout;
  readonly buffer: ReadBuffer;
  readonly writes: PendingWrites;
  readonly reads: PacedReads;
  phase: 'connecting' | 'identifying' | 'open' | 'closed' = 'connecting';
  user: UpstreamUser | undefined;
  /** Whether it has served an earlier request. */
  history: 'fresh' | 'reused' = 'fresh';
  /** False once its endpoint is gone: it is closed after the present use. */
  reusable = true;
  /** The client connection that it belongs to, if a login has come over it (R51). */
  owner: { forget(connection: UpstreamConnection): void } | undefined;
  readonly #context: UpstreamContext;
  /** What has come of the answer to the identity question, latin1. */
  #answer = '';

  /** Throws when the address or port of the instance is impossible. */
  constructor(endpoint: Endpoint, identity: string | undefined, context: UpstreamContext) {
    this.endpoint = endpoint;
    this.identity = identity;
    this.#context = context;
    this.timeout = new Timeout(this);
    this.buffer = new ReadBuffer(context.buffers);
    const { address, port } = endpoint.instance;
    const options: TcpNetConnectOpts = {
      host: address,
      port,
      lookup: context.lookup,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveProbeMs,
      allowHalfOpen: true,
      onread: {
        buffer: () => this.buffer.next(),
        callback: (length, bytes) => this.#read(length, bytes),
      },
    };
    this.socket = new InstanceSocket(options).connect(options);
    this.writes = new PendingWrites(this.socket, context.buffers.memory);
    this.reads = new PacedReads(context.buffers.turns, this.socket);
    this.socket.on('connect', () => {
      this.#connected();
    });
    this.socket.on('end', () => {
      if (this.phase === 'identifying') this.#lose('wrong_instance', 'nothing');
      else if (this.socket.refused === 'reset') this.#lose('upstream_reset', 'perhaps');
      else this.#tell('upstreamEnded');
      if (this.phase === 'closed') this.destroy();
    });
    this.socket.on('drain', () => {
      this.writes.settle();
      if (this.user !== undefined) this.#tell('upstreamDrained');
    });
    this.socket.on('error', (error) => {
      this.#failed(error);
    });
    this.socket.on('close', () => {
      this.buffer.close();
      this.writes.settle();
      context.wheel.remove(this.timeout);
      context.closed(this);
      if (this.phase === 'identifying') this.#lose('wrong_instance', 'nothing');
      else this.#lose('upstream_reset', 'something');
      this.destroy();
    });
  }

  /** The user has no more use for it, and it may serve another. */
  settle(): void {
    this.user = undefined;
    this.buffer.settle();
  }

  timedOut(): void {
    this.#tell('upstreamTimedOut');
  }

  /** Tells its user, if it has one, that the instance is silent. */
  silent(): void {
    if (this.user !== undefined) this.#tell('upstreamSilent');
  }

  /** Closes it at once. Its user hears nothing more. */
  destroy(): void {
    this.#close();
    this.socket.destroy();
  }

  /** As `destroy`, with a reset: what the instance got must not look finished. */
  reset(): void {
    this.#close();
    if (this.socket.connecting) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  /** Ends this side; what is on its way gets `ms` to arrive. Its user hears nothing more. */
  finish(ms: number): void {
    this.user = undefined;
    if (this.phase === 'closed') return;
    this.socket.end();
    this.reads.resume();
    this.#context.wheel.arm(this.timeout, ms);
  }

  #close(): void {
    this.user = undefined;
    this.phase = 'closed';
    this.owner?.forget(this);
  }

  #connected(): void {
    if (this.identity === undefined) {
      this.phase = 'open';
      this.#tell('upstreamReady');
    } else {
      this.phase = 'identifying';
      this.socket.write(identityQuestion(this.endpoint.instance), 'latin1');
    }
  }

  #identify(text: string, identity: string): void {
    this.#answer += text;
    const answer = readIdentityAnswer(this.#answer, identity);
    if (answer === 'mismatch') {
      this.#lose('wrong_instance', 'nothing');
    } else if (answer === 'match') {
      this.endpoint.hear();
      this.#answer = '';
      this.phase = 'open';
      this.#tell('upstreamReady');
    }
  }

  /** R37: a connection ends with whatever happens on it while it has no user. */
  #tell(what: Exclude<keyof UpstreamUser, 'upstreamBytes' | 'upstreamLost' | 'faulted'>): void {
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
    this.buffer.filled(length);
    const { user } = this;
    if (user === undefined) {
      // R37
      this.destroy();
    } else {
      try {
        if (!Buffer.isBuffer(bytes)) return true;
        if (this.phase === 'open') {
          this.endpoint.hear();
          user.upstreamBytes(bytes, 0, length);
        } else if (this.identity !== undefined) {
          this.#identify(bytes.toString('latin1', 0, length), this.identity);
        }
      } catch (fault) {
        user.faulted(fault);
      }
    }
    this.reads.after(length, this.user === undefined ? 'end' : 'part');
    return true;
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (this.phase === 'connecting') {
      const { code = '' } = error;
      const shortage = ownShortage(code);
      if (shortage !== undefined) this.#context.exhausted(`${shortage} (${code})`);
      this.#lose(shortage === undefined ? connectFailure(code) : 'exhausted', 'nothing');
    } else if (this.phase === 'identifying') {
      this.#lose('wrong_instance', 'nothing');
    } else {
      this.#lose('upstream_reset', error.syscall === 'write' ? 'perhaps' : 'something');
    }
  }

  #lose(code: ErrorCode, sent: 'nothing' | 'perhaps' | 'something'): void {
    const { user } = this;
    this.#close();
    if (user === undefined) return;
    try {
      user.upstreamLost(code, sent);
    } catch (fault) {
      user.faulted(fault);
    }
  }
}

/** What an error means before a connection to the instance stands, by the system's code. */
function connectFailure(code: string): ErrorCode {
  if (code === 'ECONNREFUSED') return 'connect_refused';
  return code === 'ETIMEDOUT' ? 'connect_timeout' : 'connect_failed';
}
