import { once } from 'node:events';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';

import { type ConsulAddress, formatConsulAddress } from './consul-address.ts';
import {
  type ConsulCall,
  type ConsulCallResult,
  createBodySink,
  type Settle,
  withinLimits,
} from './consul-call.ts';
import type { TlsOptions } from './consul-tls.ts';
import { codeOf } from './system-error.ts';

/** Calls under way on one connection; Consul allows 250. */
const callsPerConnection = 200;

/** The result of a call to a server that speaks no HTTP/2. */
const noHttp2: ConsulCallResult = { kind: 'broken', code: 'no HTTP/2', error: undefined };

type TcpAddress = Extract<ConsulAddress, { kind: 'tcp' }>;

/** Calls to an agent over HTTP/2, where many share a connection. A server that does not offer it is called in HTTP/1.1 by the owner. */
export class ConsulHttp2 {
  /** Whether the server has chosen HTTP/1.1. */
  #isHttp1 = false;
  readonly #onHttp2: () => void;
  readonly #address: TcpAddress;
  readonly #tls: TlsOptions;
  /** Open connections, with the number of their calls. */
  readonly #sessions = new Map<ClientHttp2Session, number>();
  #opening: Promise<ClientHttp2Session | undefined> | undefined;
  #isClosed = false;

  /** `onHttp2`: called when the server has chosen HTTP/2. */
  constructor(address: TcpAddress, tls: TlsOptions, onHttp2: () => void) {
    this.#onHttp2 = onHttp2;
    this.#address = address;
    this.#tls = tls;
  }

  /** Makes one call; undefined when the server speaks no HTTP/2. */
  async call(call: ConsulCall): Promise<ConsulCallResult | undefined> {
    const result = this.#isHttp1 ? noHttp2 : await this.#exchange(call);
    return result === noHttp2 ? undefined : result;
  }

  #exchange(call: ConsulCall): Promise<ConsulCallResult> {
    return withinLimits(call, (settle) => {
      let cancel: (() => void) | undefined;
      let isOver = false;
      this.#session()
        .then((session) => {
          if (session === undefined) settle(noHttp2);
          else if (isOver) this.#count(session, -1);
          else cancel = this.#send(session, call, settle);
        })
        .catch((error: unknown) => {
          settle({ kind: 'broken', code: codeOf(error), error });
        });
      return () => {
        isOver = true;
        cancel?.();
      };
    });
  }

  /** Closes idle connections; busy ones close when their calls have ended. */
  close(): void {
    this.#isClosed = true;
    for (const session of this.#sessions.keys()) session.close();
  }

  #send(session: ClientHttp2Session, call: ConsulCall, settle: Settle): () => void {
    const stream = session.request({
      ':method': call.method.toUpperCase(),
      ':path': `${this.#address.pathPrefix}/v1${call.target}`,
      ...call.headers,
      ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
    });
    let head: { status: number; headers: Record<string, string | string[] | undefined> } | undefined;
    const broken = (error: unknown): void => {
      if (head === undefined) settle({ kind: 'broken', code: brokenCode(error), error });
      else if (!stream.readableEnded) settle({ kind: 'cut' });
    };
    stream.once('response', (headers) => {
      head = { status: headers[':status'] ?? 0, headers };
    });
    stream.once('error', broken);
    stream.once('close', () => {
      this.#count(session, -1);
      broken(undefined);
    });
    stream.pipe(createBodySink(call.maxBodyBytes, settle, () => head));
    stream.end(call.body === undefined ? undefined : JSON.stringify(call.body));
    return () => {
      stream.close(constants.NGHTTP2_CANCEL);
    };
  }

  /** An idle connection does not keep the process running. */
  #count(session: ClientHttp2Session, change: 1 | -1): void {
    const calls = this.#sessions.get(session);
    if (calls === undefined) return;
    this.#sessions.set(session, calls + change);
    if (calls + change === 0) session.unref();
    else session.ref();
  }

  /** A connection with room for a call, which counts from now on; undefined without HTTP/2. */
  async #session(): Promise<ClientHttp2Session | undefined> {
    for (;;) {
      for (const [session, calls] of this.#sessions) {
        if (calls >= callsPerConnection || session.closed || session.destroyed) continue;
        this.#count(session, 1);
        return session;
      }
      this.#opening ??= this.#open().finally(() => (this.#opening = undefined));
      if ((await this.#opening) === undefined) return undefined;
    }
  }

  async #open(): Promise<ClientHttp2Session | undefined> {
    const { host, port } = this.#address;
    const socket = connectTls({
      host,
      port,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...this.#tls,
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    await once(socket, 'secureConnect');
    this.#isHttp1 = socket.alpnProtocol !== 'h2';
    if (this.#isHttp1 || this.#isClosed) {
      socket.destroy();
      return undefined;
    }
    this.#onHttp2();
    const session = connect(formatConsulAddress(this.#address), { createConnection: () => socket });
    this.#sessions.set(session, 0);
    // Each call hears of it by its own stream.
    session.on('error', () => undefined);
    session.once('close', () => this.#sessions.delete(session));
    session.unref();
    return session;
  }
}

/** A connection that ends takes its calls along, which is what a reset is in HTTP/1.1. */
function brokenCode(error: unknown): string {
  const code = error === undefined ? 'ERR_HTTP2' : codeOf(error);
  return code.startsWith('ERR_HTTP2') ? 'ECONNRESET' : code;
}
