import { type RegistryClient, RegistryError, type ServiceDefinition } from '../discovery/registry-client.ts';

import { bounded, type Clock, sleep } from './clock.ts';
import type { Report } from './log.ts';
import {
  afterEvent,
  initialProgress,
  type RegistrationEvent,
  type RegistrationState,
} from './registration-state.ts';
import { heartbeatNote, stoppingReason, ttlCheckId } from './service-definition.ts';
import { createRivals, displacedError, type RefusesConnections, rivalIn } from './rivals.ts';
import { describeError } from './service-error.ts';
import { createStaleRegistrations, type StaleRegistrations } from './stale-registrations.ts';
import { type RegistrarTiming, timeLimits } from './time-limits.ts';

/** What a registrar works with. */
export interface RegistrarParts {
  readonly client: RegistryClient;
  readonly id: string;
  /** Whether another process, before this one or beside it, may have the same id. */
  readonly idMayBeReused: boolean;
  readonly refusesConnections: RefusesConnections;
  /** The record for an advertised address. */
  readonly define: (address: string) => ServiceDefinition;
  /** Called before each registration, so that a changed address is followed. Rejecting means: try again later. */
  readonly resolveAddress: () => Promise<string>;
  readonly timing: RegistrarTiming;
  readonly clock: Clock;
  readonly report: Report;
}

/** Keeps one instance registered until it is told to leave. */
export interface Registrar {
  readonly state: RegistrationState;
  /** Begins. Resolves when the first attempt has ended, well or badly; the work goes on until {@link leave}. Call once. */
  start(): Promise<void>;
  /** Resolves with the first registration, or when it is told to leave before there was one. Never rejects. */
  readonly first: Promise<void>;
  /**
   * Ends heartbeats and all further attempts, and puts the instance into maintenance. Resolves with `announced` when Consul
   * knows, `unknown` when Consul could not be told, `never_registered` when there was nothing to tell, or another
   * process has the record. Never rejects; bounded.
   */
  leave(): Promise<'announced' | 'unknown' | 'never_registered'>;
  /** Removes the instance from Consul; call after {@link leave}. Never rejects; bounded. */
  deregister(): Promise<void>;
}

const deregisterTries = 3;

/** Creates the registrar of one instance. Nothing happens before `start()`. */
export function createRegistrar(parts: RegistrarParts): Registrar {
  const { client, id, define, resolveAddress, timing, clock, report } = parts;
  /** Ends the loop and its pauses. */
  const leaving = new AbortController();
  /** Ends the loop's calls. */
  const cutting = new AbortController();
  const isLeaving = (): boolean => leaving.signal.aborted;
  let progress = initialProgress;
  /** The last registration that was sent: Consul may know the instance even if no answer came. */
  let sent: ServiceDefinition | undefined;
  /** The client's count when it was sent. */
  let tokenChangesBefore = 0;
  let loop: Promise<void> = Promise.resolve();
  let settleFirst: () => void = () => undefined;
  const first = new Promise<void>((resolve) => (settleFirst = resolve));

  const call = <T>(what: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    callWithin(timing.callTimeoutMs, { client, clock, signal: cutting.signal }, what);
  const stale = createStaleRegistrations({ client, call, report, idMayBeReused: parts.idMayBeReused });

  /** No other process has an id that was drawn. */
  const rivals = parts.idMayBeReused ? createRivals({ ...parts, call, onKept: stale.suspect }) : undefined;

  const pass = (): Promise<void> => call((signal) => client.passCheck(ttlCheckId(id), heartbeatNote, signal));

  const apply = (event: RegistrationEvent): void => {
    const now = { nowMs: clock.nowMs(), random: clock.random(), timing, id, consul: client.description };
    const { progress: after, line } = afterEvent(progress, event, now);
    progress = after;
    if (event.kind === 'registered') settleFirst();
    if (line !== undefined) report(line.level, line.kind, line.message);
  };

  async function register(): Promise<RegistrationEvent | undefined> {
    const definition = define(await call(resolveAddress));
    // The first registration replaces what is there: after a restart, that is the record of the process before.
    const rival = sent === undefined ? undefined : await rivals?.keeper(definition);
    if (rival !== undefined) return { kind: 'displaced', error: displacedError(definition, rival) };
    await stale.remove(definition);
    if (isLeaving()) return undefined;
    sent = definition;
    tokenChangesBefore = client.tokenChanges;
    await call((signal) => client.registerService(definition, signal));
    await firstPass(pass, stale, definition);
    return { kind: 'registered', definition };
  }

  async function heartbeat(): Promise<RegistrationEvent | undefined> {
    if (sent !== undefined && (await rivals?.holder(sent)) !== undefined) return register();
    try {
      await pass();
      return { kind: client.tokenChanges === tokenChangesBefore ? 'heartbeat' : 'token_changed' };
    } catch (error) {
      if (!isNotFound(error)) throw error;
      stale.suspect();
      return { kind: 'forgotten', error };
    }
  }

  /** One call, what follows from it, a pause, and so on. */
  async function run(firstAttemptEnded: () => void): Promise<void> {
    while (!isLeaving()) {
      const act = progress.next === 'register' ? register : heartbeat;
      const event = await act().catch((error: unknown) => ({ kind: 'failed', error }) as const);
      if (event === undefined || (event.kind === 'failed' && isLeaving())) return;
      apply(event);
      firstAttemptEnded();
      await sleep(clock, progress.pauseMs, leaving.signal);
    }
  }

  return {
    get state() {
      return progress.registration;
    },
    start: () =>
      new Promise((resolve) => {
        loop = run(resolve).finally(resolve);
      }),
    first,
    async leave() {
      leaving.abort();
      settleFirst();
      const cancel = cutLater(clock, cutting);
      await loop;
      cancel();
      return sent === undefined || (await isOfRival(parts, sent)) ? 'never_registered' : announceStop(parts);
    },
    async deregister() {
      if (sent !== undefined && !(await isOfRival(parts, sent))) await removeInstance(parts);
      apply({ kind: 'deregistered' });
    },
  };
}

/** The first heartbeat after registering. An agent that does not know what was just registered is another one. */
async function firstPass(
  pass: () => Promise<void>,
  stale: StaleRegistrations,
  definition: ServiceDefinition,
): Promise<void> {
  try {
    await pass();
  } catch (error) {
    if (isNotFound(error)) {
      stale.suspect();
      await stale.settle(definition);
    }
    throw error;
  }
  await stale.settle(definition);
}

/** Ends the calls of a registrar that leaves, after they had time to finish. Returns what cancels that. */
function cutLater(clock: Clock, cutting: AbortController): () => void {
  return clock.setTimer(timeLimits.interruptedCallMs, () => {
    cutting.abort(new RegistryError('timeout', 'The service is stopping'));
  });
}

/** Whether the record is another process's: then it must outlive this one. An agent that can't be asked may have this one's. */
async function isOfRival(
  { client, clock, idMayBeReused }: RegistrarParts,
  own: ServiceDefinition,
): Promise<boolean> {
  if (!idMayBeReused) return false;
  try {
    const { body } = await callWithin(timeLimits.leavingCallMs, { client, clock }, (signal) =>
      client.agentService(own.ID, { signal }),
    );
    return rivalIn(body, own) !== undefined;
  } catch {
    return false;
  }
}

async function announceStop({ client, id, clock, report }: RegistrarParts): Promise<'announced' | 'unknown'> {
  try {
    await callWithin(timeLimits.leavingCallMs, { client, clock }, (signal) =>
      client.setMaintenance(id, { enable: true, reason: stoppingReason }, signal),
    );
    return 'announced';
  } catch (error) {
    if (!isNotFound(error))
      report('warn', 'stop_step_failed', `could not announce the stop: ${describeError(error)}`);
    return 'unknown';
  }
}

async function removeInstance({ client, id, clock, report }: RegistrarParts): Promise<void> {
  for (let triesLeft = deregisterTries - 1; ; triesLeft -= 1) {
    try {
      await callWithin(timeLimits.leavingCallMs, { client, clock }, (signal) =>
        client.deregisterService(id, signal),
      );
      return;
    } catch (error) {
      if (isNotFound(error)) return;
      if (triesLeft === 0) {
        const rest = 'Consul removes the instance by itself once its heartbeat has been missing long enough';
        report('warn', 'stop_step_failed', `could not deregister: ${describeError(error)}; ${rest}`);
        return;
      }
      await sleep(clock, timeLimits.deregisterPauseMs);
    }
  }
}

/** Makes a call to Consul with a deadline. */
function callWithin<T>(
  timeoutMs: number,
  parts: Pick<RegistrarParts, 'client' | 'clock'> & { readonly signal?: AbortSignal },
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { client, ...rest } = parts;
  const message = `Consul at ${client.description} did not answer within ${timeoutMs / 1000} s`;
  return bounded({ ...rest, timeoutMs, timeoutError: () => new RegistryError('timeout', message) }, call);
}

function isNotFound(error: unknown): error is RegistryError {
  return error instanceof RegistryError && error.failure === 'not_found';
}
