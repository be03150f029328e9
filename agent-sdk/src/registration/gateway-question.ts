import { lookup } from 'node:dns';
import { type IncomingMessage, request } from 'node:http';
import type { LookupFunction } from 'node:net';

import type { Instance } from '../discovery/instance.ts';
import { readRoutingStatus, type RoutingStatus } from '../discovery/routing-status.ts';

import { bounded, type Clock } from './clock.ts';
import { describeError, systemCode } from './service-error.ts';
import { timeLimits } from './time-limits.ts';

/** What every gateway is asked, and with what. */
export interface GatewayQuestion {
  readonly path: string;
  /** Why no gateway can be at an IP address; see `refusedAddress`. */
  readonly refuses: (address: string) => string | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'no route to it',
  ENETUNREACH: 'no route to it',
  ENOTFOUND: 'its name does not resolve',
};

/**
 * What a question came to. `silent`: nothing in time, or "not now" (5xx). `failed`: nothing or something else listens there. `refused`:
 * not asked, no gateway can be at this address.
 */
export type GatewayAnswer =
  | { readonly kind: 'answered'; readonly routingStatus: RoutingStatus }
  | { readonly kind: 'silent' | 'failed' | 'refused'; readonly reason: string };

/** A routing status takes a few hundred bytes; a longer body is not one. */
const maxBodyBytes = 16_384;

/** Asks one gateway once. Never rejects; ends by its time limit or the signal (then `silent`). */
export async function askGateway(gateway: Instance, question: GatewayQuestion): Promise<GatewayAnswer> {
  const { clock, signal, refuses } = question;
  const refused = refuses(gateway.address);
  if (refused !== undefined) return { kind: 'refused', reason: refused };
  const timeoutMs = timeLimits.gatewayAnswerMs;
  const late = new Error(`no answer within ${timeoutMs / 1000} s`);
  try {
    const answer = await bounded({ clock, timeoutMs, timeoutError: () => late, signal }, (ending) =>
      fetchText(gateway, question, ending),
    );
    const routingStatus = readRoutingStatus(answer);
    const { status } = answer;
    if (routingStatus !== undefined) return { kind: 'answered', routingStatus };
    const reason = status === 200 ? "its answer is not a gateway's" : `it answered with status ${status}`;
    return { kind: status >= 500 ? 'silent' : 'failed', reason };
  } catch (error) {
    if (error === late || signal.aborted) return { kind: 'silent', reason: late.message };
    return { kind: 'failed', reason: words[systemCode(error) ?? ''] ?? describeError(error) };
  }
}

function fetchText(
  { address, port }: Instance,
  { path, refuses }: GatewayQuestion,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const read = (response: IncomingMessage): void => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
        if (body.length > maxBodyBytes) response.destroy(new Error('its answer is too long'));
      });
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body });
      });
    };
    // A connection each: however many entries the registry has, none is kept.
    const options = {
      agent: false,
      signal,
      lookup: judgedLookup(refuses),
      headers: { accept: 'application/json' },
    };
    request({ host: address, port, path, ...options }, read)
      .on('error', reject)
      // An answer that switches protocols is followed by this and nothing else. After all others it changes nothing.
      .on('close', () => {
        reject(new Error('it closed the connection without an answer'));
      })
      .end();
  });
}

/** A name is looked up as usual; what it leads to is judged before it is connected to. */
function judgedLookup(refuses: GatewayQuestion['refuses']): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      const good = error === null ? addresses.filter(({ address }) => refuses(address) === undefined) : [];
      const [first] = good;
      if (error !== null) callback(error, []);
      else if (first === undefined) callback(new Error('its name resolves to no address of a gateway'), []);
      else if (options.all === true) callback(null, good);
      else callback(null, first.address, first.family);
    });
  };
}
