import {
  Agent,
  ClientRequest,
  IncomingMessage,
  ServerResponse,
  type ClientRequestArgs,
  type RequestOptions,
} from 'node:http';
import { Socket } from 'node:net';
import { Stream, type Duplex } from 'node:stream';

import httpProxy from 'http-proxy';

/** What goes out, and on which connection. `headers` is flat: name, value, name, value …, in order and with repeated names. */
export type ForwardOptions = Readonly<
  Required<Pick<RequestOptions, 'host' | 'port' | 'method' | 'path' | 'maxHeaderSize'>>
> & {
  readonly headers: string[];
  readonly stream: Duplex;
};

/**
 * Starts an upstream request. Nothing of the body has been sent and it hasn't been ended. Throws when node:http refuses the options.
 * The caller listens to all its events and destroys it.
 */
export type Forward = (options: ForwardOptions) => ClientRequest;

/** Gives each request the connection that it comes with. */
class LendingAgent extends Agent {
  override createConnection({
    stream,
  }: ClientRequestArgs & { readonly stream?: Duplex }): Duplex | undefined {
    return stream;
  }
}

/**
 * The rim of http-proxy 1.18.1, which opens and wires the upstream request; everything it does wrong by itself is taken out of its
 * hands here:
 *
 * - Of its passes only `stream` is left: `deleteLength` makes chunked DELETE and OPTIONS smugglable (its issue 1721), `XHeaders`
 *   believes clients.
 * - It sees blank stand-ins for the client's request and response, so that none of its header, path and abort handling has anything to
 *   act on, and no listeners pile up on a request that is tried more than once.
 * - The options of the upstream request are given to it frozen, as the base object on which it would compose them: its
 *   assignments (joined headers, a re-parsed and de-duplicated path, `Connection: close`) have no effect, and exactly the method,
 *   target and lines of the step go out. The conformance suite shows that they do.
 * - The stream it pipes into the upstream request doesn't pipe; it hands the request over before anything has been sent.
 *   Body, timeouts, errors, response and tunnels belong to the instance port from there on, the connection to `upstreams`.
 *
 * It owns no sockets and no timers.
 */
export function createForwarder(): Forward {
  const proxy = httpProxy.createProxyServer({});
  const agent = new LendingAgent();
  const nowhere = new Socket();
  proxy.on('error', ignore);
  keepOnlyStreamPass(proxy);
  withoutDeprecations(() => {
    const request = new IncomingMessage(nowhere);
    // Without a target it gives up at once, after its first use of `util._extend`.
    proxy.web(request, new ServerResponse(request), {});
  });
  return (options) => {
    const handover = new Handover();
    const standIn = new IncomingMessage(nowhere);
    standIn.method = options.method ?? '';
    standIn.url = '/';
    proxy.web(
      standIn,
      new ServerResponse(standIn),
      {
        target: { host: options.host ?? '', port: Number(options.port) },
        // Strict whatever `--insecure-http-parser` says.
        ssl: Object.freeze({ ...options, agent, insecureHTTPParser: false }),
        buffer: handover,
        selfHandleResponse: true,
        toProxy: true,
        prependPath: false,
      },
      ignore,
    );
    if (handover.request === undefined) throw new Error('http-proxy did not hand over its request');
    return handover.request;
  };
}

/** Errors are heard on the request itself; without a callback the package would throw them. */
function ignore(): void {
  // Nothing to do.
}

/** Stands where http-proxy expects the request body, and takes the upstream request instead of giving bytes. */
class Handover extends Stream {
  request: ClientRequest | undefined;

  override pipe<T extends NodeJS.WritableStream>(destination: T): T {
    if (destination instanceof ClientRequest) this.request = destination;
    return destination;
  }
}

/** The package offers ways to add passes but none to remove them. Fails at start when it is not as we know it. */
function keepOnlyStreamPass(proxy: httpProxy): void {
  const passes: unknown = Reflect.get(proxy, 'webPasses');
  const stream: unknown = Array.isArray(passes)
    ? passes.find((pass: unknown) => typeof pass === 'function' && pass.name === 'stream')
    : undefined;
  if (stream === undefined) throw new Error('http-proxy has no pass named "stream": version 1.18.1 expected');
  Reflect.set(proxy, 'webPasses', [stream]);
}

/** Node 22 and later warn once of `util._extend`, which the package uses; an operator can't act on that. */
function withoutDeprecations(run: () => void): void {
  const before = process.noDeprecation ?? false;
  process.noDeprecation = true;
  try {
    run();
  } finally {
    process.noDeprecation = before;
  }
}
