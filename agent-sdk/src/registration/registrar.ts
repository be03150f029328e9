import { type BackoffBounds, backoffMs } from '../discovery/backoff.ts';
import { type RegistryClient, RegistryError, type ServiceDefinition } from '../discovery/registry-client.ts';

import { bounded, type Clock, sleep } from './clock.ts';
import type { Report } from './log.ts';
import { createPredecessors } from './predecessors.ts';
import { heartbeatNote, stoppingReason, ttlCheckId } from './service-definition.ts';
import { describeError } from './service-error.ts';

/**
 * Where a registration stands. `registering`: not in Consul as far as we know, and being tried. `registered`: the last call
 * succeeded. `unregistered`: ended by stop.
 */
export interface RegistrationState {
  readonly state: 'registering' | 'registered' | 'unregistered';
  /** The last failure since it was last registered, usually a RegistryError. */
  readonly lastError: unknown;
  /** The address under which the instance is, was or would be registered; undefined until it could be determined. */
  readonly address: string | undefined;
}

/** The intervals of a registrar, all in milliseconds. */
export interface RegistrarTiming {
  readonly heartbeatMs: number;
  /** How often the registration is repeated although nothing seems wrong: heals what others changed, follows our address. */
  readonly reconcileMs: number;
  /** Deadline of each single call. */
  readonly callTimeoutMs: number;
  readonly backoff: BackoffBounds;
  /** How often a lasting outage is mentioned again. */
  readonly remindMs: number;
}

/** What a registrar works with. */
export interface RegistrarParts {
  readonly client: RegistryClient;
  /** The record for an advertised address. Its `ID` is the same every time. */
  readonly define: (address: string) => ServiceDefinition;
  /** Asked before each registration, so that a changed address is followed. Rejecting means: try again later. */
  readonly resolveAddress: () => Promise<string>;
  /** `given`: a process before this one may have had the same id. */
  readonly id: 'given' | 'generated';
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
  readonly first: Promise<'registered' | 'left'>;
  /**
   * Ends heartbeats and all further attempts, and puts the instance into maintenance. Resolves with `announced` when Consul
   * knows, `unknown` when it could not be told, `never_registered` when there was nothing to tell. Never rejects; bounded.
   */
  leave(): Promise<'announced' | 'unknown' | 'never_registered'>;
  /** Removes the instance from Consul; call after {@link leave}. Never rejects; bounded. */
  forget(): Promise<void>;
}

const deregisterTries = 3;
const deregisterPauseMs = 200;
/** Deadline of each call of a stop: nobody waits long for a registry in order to go. */
const leaveTimeoutMs = 1_000;

/** Creates the registrar of one instance. Nothing happens before `start()`. */
export function createRegistrar(parts: RegistrarParts): Registrar {
  const { client, define, resolveAddress, timing, clock, report } = parts;
  /** Ends sleeping and looping. */
  const leaving = new AbortController();
  /** Ends calls under way, a little later: a registration cut off half way might still arrive after the deregistration. */
  const cutting = new AbortController();

  const isLeaving = (): boolean => leaving.signal.aborted;

  let state: RegistrationState = { state: 'registering', lastError: undefined, address: undefined };
  let instanceId: string | undefined;
  let loop: Promise<void> = Promise.resolve();
  let settleFirst: (how: 'registered' | 'left') => void = () => undefined;
  const first = new Promise<'registered' | 'left'>((resolve) => {
    settleFirst = resolve;
  });
  let outage: { kind: string; remindAtMs: number } | undefined;

  const call = <T>(what: (signal: AbortSignal) => Promise<T>, timeoutMs = timing.callTimeoutMs): Promise<T> =>
    bounded(
      {
        clock,
        timeoutMs,
        timeoutError: () =>
          new RegistryError(
            'timeout',
            `Consul at ${client.description} did not answer within ${timeoutMs / 1000} s`,
          ),
        signal: cutting.signal,
      },
      what,
    );

  const predecessors = createPredecessors({ client, call, report, id: parts.id });

  async function register(): Promise<void> {
    const address = await call(resolveAddress);
    const definition = define(address);
    await predecessors.removeStale(definition);
    if (isLeaving()) return;
    instanceId = definition.ID;
    await call((signal) => client.registerService(definition, signal));
    await call((signal) => client.passCheck(ttlCheckId(definition.ID), heartbeatNote, signal));
    await predecessors.endMaintenance(definition);
    const before = state;
    state = { state: 'registered', lastError: undefined, address };
    outage = undefined;
    settleFirst('registered');
    if (before.state !== 'registered') {
      report('info', 'registered', registeredLine(definition, client.description));
    } else if (before.address !== address) {
      report(
        'warn',
        'address_changed',
        `now at ${address}:${definition.Port}, was at ${before.address ?? '?'}`,
      );
    }
  }

  /** Heartbeats until it is time to register again. Rejects when Consul cannot be talked to. */
  async function follow(id: string): Promise<void> {
    const reconcileAtMs = clock.nowMs() + timing.reconcileMs;
    for (;;) {
      await sleep(clock, timing.heartbeatMs, leaving.signal);
      if (isLeaving() || clock.nowMs() >= reconcileAtMs) return;
      try {
        await call((signal) => client.passCheck(ttlCheckId(id), heartbeatNote, signal));
      } catch (error) {
        if (!(error instanceof RegistryError) || error.failure !== 'not_found') throw error;
        state = { ...state, state: 'registering', lastError: error };
        report('warn', 'registration_lost', `Consul no longer knows ${id}; registering again`);
        return;
      }
    }
  }

  function noteFailure(error: unknown, retryInMs: number): void {
    state = { ...state, state: 'registering', lastError: error };
    const kind = error instanceof RegistryError ? error.failure : describeError(error);
    const now = clock.nowMs();
    if (outage?.kind === kind && now < outage.remindAtMs) return;
    outage = { kind, remindAtMs: now + timing.remindMs };
    const retry = `retrying in ${(retryInMs / 1000).toFixed(1)} s; the service goes on serving`;
    report('warn', 'registration_failed', `${describeError(error)}; ${retry}`);
  }

  async function run(firstAttemptEnded: () => void): Promise<void> {
    let failures = 0;
    while (!isLeaving()) {
      try {
        await register();
        failures = 0;
        firstAttemptEnded();
        if (instanceId !== undefined) await follow(instanceId);
      } catch (error) {
        firstAttemptEnded();
        if (isLeaving()) return;
        failures += 1;
        const delayMs = backoffMs(failures, clock.random(), timing.backoff);
        noteFailure(error, delayMs);
        await sleep(clock, delayMs, leaving.signal);
      }
    }
  }

  async function leave(): Promise<'announced' | 'unknown' | 'never_registered'> {
    leaving.abort();
    settleFirst('left');
    const cancel = clock.setTimer(leaveTimeoutMs, () => {
      cutting.abort(new RegistryError('timeout', 'The service is stopping'));
    });
    await loop;
    cancel();
    const id = instanceId;
    if (id === undefined) return 'never_registered';
    try {
      await callWhileLeaving((signal) =>
        client.setMaintenance(id, { enable: true, reason: stoppingReason }, signal),
      );
      return 'announced';
    } catch (error) {
      if (!isNotFound(error))
        report('warn', 'stop_step_failed', `could not announce the stop: ${describeError(error)}`);
      return 'unknown';
    }
  }

  async function forget(): Promise<void> {
    const id = instanceId;
    for (let attempt = 1; id !== undefined && attempt <= deregisterTries; attempt += 1) {
      try {
        await callWhileLeaving((signal) => client.deregisterService(id, signal));
        break;
      } catch (error) {
        if (isNotFound(error)) break;
        if (attempt === deregisterTries) {
          const rest =
            'Consul removes the instance by itself once its heartbeat has been missing long enough';
          report('warn', 'stop_step_failed', `could not deregister: ${describeError(error)}; ${rest}`);
        } else {
          await sleep(clock, deregisterPauseMs);
        }
      }
    }
    state = { ...state, state: 'unregistered' };
  }

  /** Like `call`, but not ended by the cut that ends the loop. */
  const callWhileLeaving = (what: (signal: AbortSignal) => Promise<void>): Promise<void> =>
    bounded(
      {
        clock,
        timeoutMs: leaveTimeoutMs,
        timeoutError: () =>
          new RegistryError('timeout', `Consul at ${client.description} did not answer in time`),
      },
      what,
    );

  return {
    get state() {
      return state;
    },
    start: () =>
      new Promise((resolve) => {
        loop = run(resolve).finally(resolve);
      }),
    first,
    leave,
    forget,
  };
}

function isNotFound(error: unknown): boolean {
  return error instanceof RegistryError && error.failure === 'not_found';
}

function registeredLine(definition: ServiceDefinition, consul: string): string {
  const routes = definition.Tags.filter((tag) => tag.startsWith('urlprefix-')).map((tag) => tag.slice(10));
  const shown = routes.length === 0 ? '' : ` for ${routes.join(', ')}`;
  return `registered ${definition.ID} at ${definition.Address}:${definition.Port}${shown} in Consul at ${consul}`;
}
