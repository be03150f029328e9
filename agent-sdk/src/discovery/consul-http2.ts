import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { isIP } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';

import type { ConsulAddress } from './consul-address.ts';
import {
  codeOf,
  type ConsulCall,
  type ConsulCallResult,
  createBodySink,
  type Settle,
  withinLimits,
} from './consul-call.ts';
import type { TlsOptions } from './consul-tls.ts';

/** Calls under way on one connection; Consul allows 250. */
const callsPerConnection = 200;

type TcpAddress = Extract<ConsulAddress, { kind: 'tcp' }>;

/** Calls to an agent over HTTP/2, where many share a connection. A server that does not offer it is called in HTTP/1.1 by the owner. */
export class ConsulHttp2 {
  /** What the server has chosen; undefined before the first connection. */
  #protocol: 'h2' | 'http/1.1' | undefined;
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

  /** Makes one call; undefined when the server speaks no HTTP/2. `fields`: of every call. */
  async call(
    call: ConsulCall,
    fields: Readonly<Record<string, string>>,
  ): Promise<ConsulCallResult | undefined> {
    if (this.#isHttp1()) return undefined;
    const result = await this.#exchange(call, fields);
    return this.#isHttp1() ? undefined : result;
  }

  #exchange(call: ConsulCall, fields: Readonly<Record<string, string>>): Promise<ConsulCallResult> {
    return withinLimits(call, (settle) => {
      let cancel: (() => void) | undefined;
      let isOver = false;
      this.#session()
        .then((session) => {
          if (session === undefined) settle({ kind: 'broken', code: 'no HTTP/2', error: undefined });
          else if (isOver) this.#count(session, -1);
          else cancel = this.#send(session, { call, fields }, settle);
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

  #send(
    session: ClientHttp2Session,
    { call, fields }: { readonly call: ConsulCall; readonly fields: Readonly<Record<string, string>> },
    settle: Settle,
  ): () => void {
    const stream = session.request({
      ':method': call.method.toUpperCase(),
      ':path': this.#pathOf(call),
      ...fields,
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

  #isHttp1(): boolean {
    return this.#protocol === 'http/1.1';
  }

  #pathOf({ path, params, query }: ConsulCall): string {
    const filled = path.replace(/\{(\w+)\}/gu, (_, name: string) => encodeURIComponent(params[name] ?? ''));
    const asked = new URLSearchParams(query).toString();
    return `${this.#address.pathPrefix}/v1${filled}${asked === '' ? '' : `?${asked}`}`;
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
    const socket = await secureSocket({
      host,
      port,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...this.#tls,
    });
    this.#protocol = socket.alpnProtocol === 'h2' ? 'h2' : 'http/1.1';
    if (this.#protocol === 'http/1.1' || this.#isClosed) {
      socket.destroy();
      return undefined;
    }
    this.#onHttp2();
    const session = connect(`https://${isIP(host) === 6 ? `[${host}]` : host}:${port}`, {
      createConnection: () => socket,
    });
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

function secureSocket(options: TlsOptions & { host: string; port: number }): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ ...options, ALPNProtocols: ['h2', 'http/1.1'] });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}
