import { setMaxListeners } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';

import type { Instance } from '../discovery/instance.ts';
import type { RegistryClient } from '../discovery/registry-client.ts';
import { readRoutingStatus, type RoutingStatus, routingStatusPath } from '../discovery/routing-status.ts';
import { snapshotFromAnswer } from '../discovery/snapshot.ts';

import { bounded, type Clock, sleep } from './clock.ts';
import type { Report } from './log.ts';
import { describeError, systemCode } from './service-error.ts';
import { timeLimits } from './time-limits.ts';

/** What one gateway answered about this instance, or that it did not answer. */
export interface GatewayVerdict {
  /** The gateway's instance id in Consul. */
  readonly gateway: string;
  /** Where it was asked, `10.0.0.9:8080`. */
  readonly address: string;
  /**
   * `confirmed`: as it should be. `pending`: not yet. `out`: it knows this instance but sends it nothing, `reason` says why.
   * `unreachable`: the gateway itself could not be asked.
   */
  readonly outcome: 'confirmed' | 'pending' | 'out' | 'unreachable';
  /** For a person; empty when confirmed. */
  readonly reason: string;
}

/** What the live gateways answered about this instance. */
export interface GatewayReport {
  /** One per gateway that Consul calls passing or warning; empty where there is none, or Consul could not be asked. */
  readonly gateways: readonly GatewayVerdict[];
  readonly confirmed: number;
  readonly elapsedMs: number;
  /** Why gateways could not be looked up; undefined when they were. */
  readonly problem: string | undefined;
}

/** What {@link createGateways} works with. */
export interface GatewaysParts {
  readonly client: RegistryClient;
  /** The name by which gateways are registered; `off`: none is asked. A gateway, which registers by this SDK too, asks none. */
  readonly gateways: string;
  readonly service: string;
  readonly id: string;
  readonly clock: Clock;
  readonly report: Report;
}

/** The gateways that follow the same Consul. Each is asked until it has confirmed, or is known not to live, or the time is up. */
export interface Gateways {
  /** Asks whether they send requests to this instance, and logs the result. Never rejects; ended early by the signal, then without a line. */
  confirmLive(timeoutMs: number, signal: AbortSignal): Promise<GatewayReport>;
  /** Asks whether they have stopped sending new requests to this instance, and logs the result. Never rejects. */
  confirmDrained(timeoutMs: number): Promise<GatewayReport>;
}

/** What every gateway is asked, and with what. */
interface Question {
  readonly wanted: 'live' | 'drained';
  readonly path: string;
  readonly agent: Agent;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** How often a question may fail in a row: a gateway that has just died must not cost the whole time. */
const maxFailures = 3;

/** Nothing happens before the first question. */
export function createGateways(parts: GatewaysParts): Gateways {
  const { report } = parts;
  return {
    async confirmLive(timeoutMs, signal) {
      const answer = await confirm(parts, 'live', { timeoutMs, signal });
      if (!signal.aborted) reportAnswer(report, 'live', `live on ${tally(answer)}`, answer);
      return answer;
    },
    async confirmDrained(timeoutMs) {
      const answer = await confirm(parts, 'drained', { timeoutMs, signal: new AbortController().signal });
      reportAnswer(report, 'drain_acknowledged', `draining acknowledged by ${tally(answer)}`, answer);
      return answer;
    },
  };
}

async function confirm(
  parts: GatewaysParts,
  wanted: 'live' | 'drained',
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<GatewayReport> {
  const { gateways: name, service, id, clock } = parts;
  const verdicts = new Map<string, GatewayVerdict>();
  let problem: string | undefined;
  const sinceMs = clock.nowMs();
  if (name !== 'off' && name.toLowerCase() !== service.toLowerCase()) {
    const agent = new Agent({ keepAlive: true });
    const path = routingStatusPath(service, id);
    const late = new Error(`not finished within ${timeoutMs / 1000} s`);
    try {
      await bounded({ clock, timeoutMs, timeoutError: () => late, signal }, (ending) =>
        askAll(parts, name, verdicts, { wanted, path, agent, clock, signal: ending }),
      );
    } catch (error) {
      const isOver = error === late || signal.aborted;
      if (!isOver || verdicts.size === 0) problem = describeError(error);
    } finally {
      agent.destroy();
    }
  }
  const gateways = [...verdicts.values()];
  const confirmed = gateways.filter(({ outcome }) => outcome === 'confirmed').length;
  return { gateways, confirmed, elapsedMs: clock.nowMs() - sinceMs, problem };
}

/** Keeps the last verdict of each gateway in `verdicts`. Rejects when Consul fails. */
async function askAll(
  parts: GatewaysParts,
  name: string,
  verdicts: Map<string, GatewayVerdict>,
  question: Question,
): Promise<void> {
  // One listener per gateway: many gateways are no leak, as Node would say on the service's stderr.
  setMaxListeners(0, question.signal);
  // Again after all have answered: one that has come meanwhile may have read the registry before this instance's last change.
  for (;;) {
    const fresh = (await listed(parts, name, question.signal)).filter(({ key }) => !verdicts.has(key));
    if (fresh.length === 0) return;
    await Promise.all(
      fresh.map((gateway) => settle(gateway, question, (last) => verdicts.set(gateway.key, last))),
    );
  }
}

async function listed(
  { client, clock }: GatewaysParts,
  name: string,
  signal: AbortSignal,
): Promise<readonly Instance[]> {
  const timeoutMs = timeLimits.gatewayLookupMs;
  const timeoutError = (): Error => new Error(`Consul did not answer within ${timeoutMs / 1000} s`);
  const answer = await bounded({ clock, timeoutMs, timeoutError, signal }, (ending) =>
    client.serviceHealth(name, { signal: ending }),
  );
  const { instances } = snapshotFromAnswer(answer, { service: name, cluster: 'consul' });
  return instances.filter(({ status }) => status === 'passing' || status === 'warning');
}

/** Asks one gateway until it has confirmed, has failed too often, or the signal ends; tells each verdict. */
async function settle(
  gateway: Instance,
  question: Question,
  tell: (verdict: GatewayVerdict) => void,
): Promise<void> {
  const { wanted, clock, signal } = question;
  const { id, address, port } = gateway;
  const facts = {
    gateway: id,
    address: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
  };
  const { first, longest } = timeLimits.gatewayPauseMs;
  let failures = 0;
  tell({ ...facts, outcome: 'pending', reason: 'it has not answered' });
  for (let pauseMs: number = first; ; pauseMs = Math.min(longest, pauseMs * 1.5)) {
    const answer = await fetchRoutingStatus(gateway, question);
    if (signal.aborted) return;
    if (answer.kind === 'answered') {
      const verdict = verdictOn(answer.routingStatus, wanted);
      tell({ ...facts, ...verdict });
      if (verdict.outcome === 'confirmed') return;
    } else {
      tell({ ...facts, outcome: 'unreachable', reason: answer.reason });
    }
    failures = answer.kind === 'failed' ? failures + 1 : 0;
    if (failures === maxFailures) return;
    await sleep(clock, pauseMs, signal);
  }
}

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'no route to it',
  ENETUNREACH: 'no route to it',
  ENOTFOUND: 'its name does not resolve',
};

/** What a question came to. `silent`: nothing in time, or "not now" (5xx). `failed`: nothing or something else listens there. */
type GatewayAnswer =
  | { readonly kind: 'answered'; readonly routingStatus: RoutingStatus }
  | { readonly kind: 'silent' | 'failed'; readonly reason: string };

/** A routing status takes a few hundred bytes; a longer body is not one. */
const maxBodyBytes = 16_384;

/** Asks one gateway once. Never rejects; ends by its time limit or the signal (then `silent`). */
async function fetchRoutingStatus(gateway: Instance, question: Question): Promise<GatewayAnswer> {
  const { clock, signal } = question;
  const timeoutMs = timeLimits.gatewayAnswerMs;
  const late = new Error(`no answer within ${timeoutMs / 1000} s`);
  try {
    const { status, body } = await bounded({ clock, timeoutMs, timeoutError: () => late, signal }, (ending) =>
      fetchText(gateway, question, ending),
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
  { address, port }: Instance,
  { path, agent }: Question,
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

/** `unknown` is as good as drained: a gateway that has no such instance sends it nothing. */
function verdictOn(
  { state, reason }: RoutingStatus,
  wanted: 'live' | 'drained',
): Pick<GatewayVerdict, 'outcome' | 'reason'> {
  const good = wanted === 'live' ? state === 'live' : state === 'draining' || state === 'unknown';
  if (good) return { outcome: 'confirmed', reason: '' };
  switch (state) {
    case 'live':
      return { outcome: 'pending', reason: 'it still sends requests here' };
    case 'out':
      return { outcome: 'out', reason };
    case 'draining':
      return { outcome: 'pending', reason: 'it takes this instance for one that is leaving' };
    case 'unknown':
      return { outcome: 'pending', reason: 'it does not know this instance yet' };
  }
}

/** Whether every gateway has confirmed, and there is at least one. */
export function allConfirmed({ gateways, confirmed, problem }: GatewayReport): boolean {
  return confirmed > 0 && confirmed === gateways.length && problem === undefined;
}

/** One line about all gateways that were asked; none where there are none. */
function reportAnswer(
  report: Report,
  kind: 'live' | 'drain_acknowledged',
  summary: string,
  { gateways, confirmed }: GatewayReport,
): void {
  if (gateways.length === 0) return;
  const others = gateways.filter(({ outcome }) => outcome !== 'confirmed').map(sentence);
  report(confirmed === gateways.length ? 'info' : 'warn', kind, [summary, ...others].join('; '));
}

function tally({ gateways, confirmed, elapsedMs }: GatewayReport): string {
  return `${confirmed}/${gateways.length} gateways in ${Math.round(elapsedMs)} ms`;
}

function sentence({ gateway, address, outcome, reason }: GatewayVerdict): string {
  switch (outcome) {
    case 'out':
      return `gateway ${gateway} leaves this instance out: ${reason}`;
    case 'unreachable':
      return `gateway ${gateway} can't be asked at ${address}: ${reason}`;
    case 'pending':
    case 'confirmed':
      return `gateway ${gateway}: ${reason}`;
  }
}
