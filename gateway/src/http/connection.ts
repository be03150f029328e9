import { lists } from './field-lines.ts';
import type { HttpVersion, ResponseFraming } from './framing.ts';
import type { HeaderFacts } from './header-facts.ts';
import type { RequestHead } from './message.ts';

/** Whether a connection serves another message after this one (RFC 9112 §9.3). */
export type Persistence = 'keep' | 'close';

const saysClose = ({ connection }: HeaderFacts): boolean =>
  connection !== undefined && connection !== 'keep-alive' && lists(connection, 'close');

/**
 * Whether a client connection may serve another request. R42: never offered to HTTP/1.0. R22: what follows CONNECT is not meant for
 * the gateway, whatever it is answered with.
 */
export function requestPersistence(headers: HeaderFacts, version: HttpVersion, method: string): Persistence {
  return version === '1.1' && method !== 'CONNECT' && !saysClose(headers) ? 'keep' : 'close';
}

/** R39: whether the client takes trailers (`TE: trailers`, RFC 9110 §6.5.1). HTTP/1.0 knows none. */
export function wantsTrailers({ te }: HeaderFacts, version: HttpVersion): boolean {
  return version === '1.1' && lists(te, 'trailers');
}

/**
 * Whether the connection to an instance may serve another request. R36: after an HTTP/1.1 response without `close` and with a body
 * that ends by itself. R32: not after a 204 that announces a body, whose bytes would meet the next exchange.
 */
export function responsePersistence(
  headers: HeaderFacts,
  {
    status,
    version,
    body,
  }: { readonly status: number; readonly version: HttpVersion; readonly body: ResponseFraming },
): Persistence {
  const surplus = status === 204 && (headers.contentLength > 0 || headers.transferCoding !== 'absent');
  return version === '1.1' && body.kind !== 'until_close' && !surplus && !saysClose(headers)
    ? 'keep'
    : 'close';
}

/** The last `Keep-Alive` that was read: instances say the same in each response. */
const lastKeepAlive = { text: '', seconds: -1 };

/** `Keep-Alive: timeout=` in seconds, how long the sender keeps an idle connection; −1: unsaid. */
export function keepAliveSeconds({ keepAlive }: HeaderFacts): number {
  if (keepAlive === undefined) return -1;
  if (keepAlive !== lastKeepAlive.text) {
    const seconds = /(?:^|[,; \t])timeout[ \t]*=[ \t]*"?(\d{1,9})/i.exec(keepAlive)?.[1];
    lastKeepAlive.text = keepAlive;
    lastKeepAlive.seconds = seconds === undefined ? -1 : Number(seconds);
  }
  return lastKeepAlive.seconds;
}

/** The protocols of `Upgrade`, in lower case, when `Connection` lists `upgrade` (RFC 9110 §7.8). R27: HTTP/1.0 has none. */
export function offeredUpgrade(headers: HeaderFacts, version: HttpVersion): string | undefined {
  return version === '1.1' && headers.upgrade !== undefined && lists(headers.connection, 'upgrade')
    ? headers.upgrade
    : undefined;
}

/** R28: the only upgrade passed on is a GET's to websocket; any other protocol is left out, and the request goes on without. */
export function isWebSocketUpgrade({ upgrade, method }: Pick<RequestHead, 'upgrade' | 'method'>): boolean {
  return method === 'GET' && upgrade?.split(',').some((protocol) => protocol.trim() === 'websocket') === true;
}

/** Whether a request has a body. R29: an upgrade must not, because what follows it belongs to the new protocol. */
export function hasBody({ body }: Pick<RequestHead, 'body'>): boolean {
  return body.kind === 'chunked' || (body.kind === 'length' && body.bytes > 0);
}

/**
 * R31: whether a 101 switches to the protocol that was asked for, and to nothing else (RFC 9110 §7.8). R30: any other response to an
 * upgrade is passed on like one to another request.
 */
export function agreesToUpgrade(headers: HeaderFacts, asked: string | undefined): boolean {
  return asked !== undefined && offeredUpgrade(headers, '1.1') === asked;
}
