import { setMaxListeners } from 'node:events';

import type { Instance } from '../discovery/instance.ts';
import { refusedAddress } from '../discovery/refused-address.ts';
import type { RegistryClient } from '../discovery/registry-client.ts';
import { type RoutingStatus, routingStatusTarget } from '../discovery/routing-status.ts';
import { snapshotFromAnswer } from '../discovery/snapshot.ts';

import { bounded, type Clock, sleep } from './clock.ts';
import { askGateway, type GatewayAnswer, type GatewayQuestion } from './gateway-question.ts';
import type { Report } from './log.ts';
import { describeError } from './service-error.ts';
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
  /** Registered with the instance; see `routingKeyMetaKey`. */
  readonly key: string;
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

/** One round of questions. */
interface Question extends GatewayQuestion {
  readonly wanted: 'live' | 'drained';
  /** Asks when it is this gateway's turn: {@link maxQuestions} at a time, first come, first served. */
  readonly ask: (gateway: Instance) => Promise<GatewayAnswer>;
}

/** How often a question may fail in a row: a gateway that has just died must not cost the whole time. */
const maxFailures = 3;

/** Questions at a time, each a connection: entries of the registry may be made up, and any number of them. */
const maxQuestions = 32;

/** Gateways that a line names; it counts the others. */
const maxNamed = 8;

/** Nothing happens before the first question. */
export function createGateways(parts: GatewaysParts): Gateways {
  const { report } = parts;
  /** Entries that did not answer as a gateway does while they were asked; they are not asked at the stop. */
  const strangers = new Map<string, GatewayVerdict>();
  return {
    async confirmLive(timeoutMs, signal) {
      const round = await confirm(parts, 'live', { timeoutMs, signal, known: new Map() });
      const { answer, verdicts, gatewayKeys } = round;
      for (const [key, verdict] of verdicts) {
        const hadTime = !signal.aborted || verdict.outcome === 'unreachable';
        if (hadTime && !gatewayKeys.has(key)) strangers.set(key, verdict);
      }
      if (!signal.aborted) reportAnswer(report, 'live', `live on ${tally(answer)}`, answer);
      return answer;
    },
    async confirmDrained(timeoutMs) {
      const { signal } = new AbortController();
      const { answer } = await confirm(parts, 'drained', { timeoutMs, signal, known: strangers });
      reportAnswer(report, 'drain_acknowledged', `draining acknowledged by ${tally(answer)}`, answer);
      return answer;
    },
  };
}

async function confirm(
  parts: GatewaysParts,
  wanted: 'live' | 'drained',
  { timeoutMs, signal, known }: Round,
): Promise<Asked & { readonly answer: GatewayReport }> {
  const { gateways: name, service, clock, client } = parts;
  const asked: Asked = { name, known, verdicts: new Map(), gatewayKeys: new Set() };
  const { verdicts } = asked;
  let problem: string | undefined;
  const sinceMs = clock.nowMs();
  if (name !== 'off' && name.toLowerCase() !== service.toLowerCase()) {
    const path = routingStatusTarget(parts);
    const refuses = (address: string): string | undefined => refusedAddress(address, client.address);
    const turn = createTurns(maxQuestions);
    const late = new Error(`not finished within ${timeoutMs / 1000} s`);
    try {
      await bounded({ clock, timeoutMs, timeoutError: () => late, signal }, (ending) => {
        const question: GatewayQuestion = { path, refuses, clock, signal: ending };
        const ask = (gateway: Instance): Promise<GatewayAnswer> => turn(() => askGateway(gateway, question));
        return askAll(parts, asked, { ...question, wanted, ask });
      });
    } catch (error) {
      const isOver = error === late || signal.aborted;
      if (!isOver || verdicts.size === 0) problem = describeError(error);
    }
  }
  const gateways = [...verdicts.values()];
  const confirmed = gateways.filter(({ outcome }) => outcome === 'confirmed').length;
  return { ...asked, answer: { gateways, confirmed, elapsedMs: clock.nowMs() - sinceMs, problem } };
}

/** Lets `limit` calls run at a time, the others in the order in which they came. */
function createTurns(limit: number): <T>(act: () => Promise<T>) => Promise<T> {
  let free = limit;
  const waiting: (() => void)[] = [];
  return async (act) => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    else free -= 1;
    try {
      return await act();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}

/** How long gateways are asked, and what was found out about them before. */
interface Round {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Entries that are not asked, with their verdicts; by {@link Instance.key}. */
  readonly known: ReadonlyMap<string, GatewayVerdict>;
}

/** Who is asked, and the last verdict on each. */
interface Asked extends Pick<Round, 'known'> {
  readonly name: string;
  readonly verdicts: Map<string, GatewayVerdict>;
  /** Those that have answered as a gateway does. */
  readonly gatewayKeys: Set<string>;
}

/** Keeps the last verdict of each gateway in `verdicts`. Rejects when Consul fails. */
async function askAll(parts: GatewaysParts, asked: Asked, question: Question): Promise<void> {
  const { name, verdicts, known } = asked;
  // One listener per gateway: many gateways are no leak, as Node would say on the service's stderr.
  setMaxListeners(0, question.signal);
  // Again after all have answered: one that has come meanwhile may have read the registry before this instance's last change.
  for (;;) {
    const fresh = (await listed(parts, name, question.signal)).filter(({ key }) => !verdicts.has(key));
    if (fresh.length === 0) return;
    for (const { key } of fresh) {
      const verdict = known.get(key);
      if (verdict !== undefined) verdicts.set(key, verdict);
    }
    const unknown = fresh.filter(({ key }) => !known.has(key));
    await Promise.all(unknown.map((gateway) => settle(gateway, question, asked)));
  }
}

/** The gateways that Consul calls passing or warning, the oldest first: made-up entries that come later wait behind them. */
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
  return instances
    .filter(({ status }) => status === 'passing' || status === 'warning')
    .sort((a, b) => a.createIndex - b.createIndex);
}

/** Asks one gateway until it has confirmed, has failed too often, or the signal ends; notes each verdict. */
async function settle(
  gateway: Instance,
  question: Question,
  { verdicts, gatewayKeys }: Asked,
): Promise<void> {
  const { wanted, clock, signal } = question;
  const { key, id, address, port } = gateway;
  const facts = {
    gateway: id,
    address: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
  };
  const { first, longest } = timeLimits.gatewayPauseMs;
  const tell = (verdict: Pick<GatewayVerdict, 'outcome' | 'reason'>): void => {
    verdicts.set(key, { ...facts, ...verdict });
  };
  let failures = 0;
  tell({ outcome: 'pending', reason: 'it has not answered' });
  for (let pauseMs: number = first; ; pauseMs = Math.min(longest, pauseMs * 1.5)) {
    const answer = await question.ask(gateway);
    if (signal.aborted) return;
    if (answer.kind === 'answered') {
      const verdict = verdictOn(answer.routingStatus, wanted);
      gatewayKeys.add(key);
      tell(verdict);
      if (verdict.outcome === 'confirmed') return;
    } else {
      tell({ outcome: 'unreachable', reason: answer.reason });
    }
    failures = answer.kind === 'failed' ? failures + 1 : 0;
    if (failures === maxFailures || answer.kind === 'refused') return;
    await sleep(clock, pauseMs, signal);
  }
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
  const others = gateways.filter(({ outcome }) => outcome !== 'confirmed');
  const more = others.length > maxNamed ? [`and ${others.length - maxNamed} more`] : [];
  const named = others.slice(0, maxNamed).map(sentence);
  report(confirmed === gateways.length ? 'info' : 'warn', kind, [summary, ...named, ...more].join('; '));
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
