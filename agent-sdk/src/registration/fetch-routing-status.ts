import { type Agent, type IncomingMessage, request } from 'node:http';

import { type RoutingStatus, readRoutingStatus } from '../discovery/routing-status.ts';

import { bounded, type Clock } from './clock.ts';
import { describeError, systemCode } from './service-error.ts';
import { timeLimits } from './time-limits.ts';

/** One question to one gateway. */
export interface RoutingStatusQuestion {
  readonly address: string;
  readonly port: number;
  /** From `routingStatusPath`. */
  readonly path: string;
  readonly agent: Agent;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * What came back. `silent`: nothing in time, or an answer that says "not now" (5xx). `failed`: nothing listens there, or something
 * that does not know the question. The reason is for a person.
 */
export type RoutingStatusAnswer =
  | { readonly kind: 'answered'; readonly routingStatus: RoutingStatus }
  | { readonly kind: 'silent' | 'failed'; readonly reason: string };

/** A routing status takes a few hundred bytes; a longer body is not one. */
const maxBodyBytes = 16_384;

/** Asks a gateway for the routing status of an instance. Never rejects; ends by its time or the signal (then `silent`). */
export async function fetchRoutingStatus(question: RoutingStatusQuestion): Promise<RoutingStatusAnswer> {
  const { clock, signal } = question;
  const timeoutMs = timeLimits.gatewayAnswerMs;
  const late = new Error(`no answer within ${timeoutMs / 1000} s`);
  try {
    const { status, body } = await bounded({ clock, timeoutMs, timeoutError: () => late, signal }, (ending) =>
      fetchText(question, ending),
    );
    const routingStatus = status === 200 ? readRoutingStatus(body) : undefined;
    if (routingStatus !== undefined) return { kind: 'answered', routingStatus };
    const reason = status === 200 ? "its answer is not a gateway's" : `it answered with status ${status}`;
    return { kind: status >= 500 ? 'silent' : 'failed', reason };
  } catch (error) {
    if (error === late || signal.aborted) return { kind: 'silent', reason: late.message };
    return { kind: 'failed', reason: words[systemCode(error) ?? ''] ?? describeError(error) };
  }
}

function fetchText(
  { address, port, path, agent }: RoutingStatusQuestion,
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
    request({ host: address, port, path, agent, signal, headers: { accept: 'application/json' } }, read)
      .on('error', reject)
      // An answer that switches protocols is followed by this and nothing else. After all others it changes nothing.
      .on('close', () => {
        reject(new Error('it closed the connection without an answer'));
      })
      .end();
  });
}

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'no route to it',
  ENETUNREACH: 'no route to it',
  ENOTFOUND: 'its name does not resolve',
};
