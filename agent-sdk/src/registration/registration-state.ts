import { backoffMs } from '../discovery/backoff.ts';
import { RegistryError, type ServiceDefinition } from '../discovery/registry-client.ts';

import type { ServiceEvent } from './log.ts';
import { describeError } from './service-error.ts';
import type { RegistrarTiming } from './time-limits.ts';

/**
 * Where a registration stands. `registering`: not known to be in Consul, and being tried. `registered`: the last call
 * succeeded. `unregistered`: ended by stop.
 */
export interface RegistrationState {
  readonly state: 'registering' | 'registered' | 'unregistered';
  /** The last failure since it was last registered, usually a RegistryError; an Error that names the other process while that has the id. */
  readonly lastError: unknown;
  /** The address under which the instance is, was or would be registered; undefined until it could be determined. */
  readonly address: string | undefined;
}

/** What the registrar remembers between two calls to Consul. */
export interface Progress {
  readonly registration: RegistrationState;
  /** What to do next, after a pause. */
  readonly next: 'register' | 'heartbeat';
  readonly pauseMs: number;
  /** In a row. */
  readonly failures: number;
  /** When the registration is repeated although nothing seems wrong. */
  readonly reconcileAtMs: number;
  /** The outage that the log has reported last; undefined while there is none. */
  readonly outage: { readonly kind: string; readonly remindAtMs: number } | undefined;
}

/**
 * What a call to Consul came to. `forgotten`: Consul does not know the instance that a heartbeat was for. `token_changed`: the heartbeat
 * was good, but Consul's agent holds the record with the token before; once that is revoked, the agent can not remove it any more.
 * `displaced`: the record is that of another process with the same id, which keeps it.
 */
export type RegistrationEvent =
  | { readonly kind: 'registered'; readonly definition: ServiceDefinition }
  | { readonly kind: 'heartbeat' | 'token_changed' }
  | { readonly kind: 'forgotten'; readonly error: RegistryError }
  | { readonly kind: 'displaced'; readonly error: Error }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'deregistered' };

/** What {@link afterEvent} takes from outside. */
export interface Circumstances {
  readonly nowMs: number;
  /** Uniform in [0, 1). */
  readonly random: number;
  readonly timing: RegistrarTiming;
  readonly id: string;
  /** Consul's address, for messages. */
  readonly consul: string;
}

/** The new progress and what deserves a line in the log. */
export interface Transition {
  readonly progress: Progress;
  readonly line?: Pick<ServiceEvent, 'level' | 'kind' | 'message'> | undefined;
}

export const initialProgress: Progress = {
  registration: { state: 'registering', lastError: undefined, address: undefined },
  next: 'register',
  pauseMs: 0,
  failures: 0,
  reconcileAtMs: 0,
  outage: undefined,
};

/** Decides what follows from a call to Consul. Pure. */
export function afterEvent(before: Progress, event: RegistrationEvent, now: Circumstances): Transition {
  const { registration } = before;
  const { timing, nowMs } = now;
  switch (event.kind) {
    case 'registered': {
      const progress: Progress = {
        registration: { state: 'registered', lastError: undefined, address: event.definition.Address },
        next: 'heartbeat',
        pauseMs: timing.heartbeatMs,
        failures: 0,
        reconcileAtMs: nowMs + timing.reconcileMs,
        outage: undefined,
      };
      return { progress, line: registeredLine(registration, event.definition, now.consul) };
    }
    case 'heartbeat': {
      const next = nowMs + timing.heartbeatMs >= before.reconcileAtMs ? 'register' : 'heartbeat';
      return { progress: { ...before, next, pauseMs: timing.heartbeatMs } };
    }
    case 'token_changed':
      return {
        progress: { ...before, next: 'register', pauseMs: 0 },
        line: {
          level: 'info',
          kind: 'registered',
          message: 'the Consul token has changed; registering again',
        },
      };
    case 'forgotten':
      return {
        progress: { ...before, registration: lost(registration, event.error), next: 'register', pauseMs: 0 },
        line: {
          level: 'warn',
          kind: 'registration_lost',
          message: `Consul no longer knows ${now.id}; registering again`,
        },
      };
    case 'displaced': {
      const pauseMs = Math.min(timing.heartbeatMs, timing.rivalLookMs);
      return {
        progress: { ...before, registration: lost(registration, event.error), next: 'register', pauseMs },
      };
    }
    case 'failed':
      return afterFailure(before, event.error, now);
    case 'deregistered':
      return { progress: { ...before, registration: { ...registration, state: 'unregistered' } } };
  }
}

/** An outage is reported when it begins, when its kind changes, and from time to time. */
function afterFailure(
  before: Progress,
  error: unknown,
  { nowMs, random, timing }: Circumstances,
): Transition {
  const failures = before.failures + 1;
  const pauseMs = backoffMs(failures, random, timing.backoff);
  const kind = error instanceof RegistryError ? error.failure : describeError(error);
  const isReported = before.outage?.kind === kind && nowMs < before.outage.remindAtMs;
  const retry = `retrying in ${(pauseMs / 1000).toFixed(1)} s; the service goes on serving`;
  return {
    progress: {
      ...before,
      registration: lost(before.registration, error),
      next: 'register',
      pauseMs,
      failures,
      outage: isReported ? before.outage : { kind, remindAtMs: nowMs + timing.remindMs },
    },
    line: isReported
      ? undefined
      : { level: 'warn', kind: 'registration_failed', message: `${describeError(error)}; ${retry}` },
  };
}

function lost(registration: RegistrationState, error: unknown): RegistrationState {
  return { ...registration, state: 'registering', lastError: error };
}

function registeredLine(
  before: RegistrationState,
  { ID: id, Address: address, Port: port, Tags: tags }: ServiceDefinition,
  consul: string,
): Transition['line'] {
  if (before.state !== 'registered') {
    const routes = tags.filter((tag) => tag.startsWith('urlprefix-')).map((tag) => tag.slice(10));
    const shown = routes.length === 0 ? '' : ` for ${routes.join(', ')}`;
    const message = `registered ${id} at ${address}:${port}${shown} in Consul at ${consul}`;
    return { level: 'info', kind: 'registered', message };
  }
  if (before.address === address) return undefined;
  const message = `now at ${address}:${port}, was at ${before.address ?? '?'}`;
  return { level: 'warn', kind: 'address_changed', message };
}
