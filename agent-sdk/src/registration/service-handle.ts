import type { RegistryClient } from '../discovery/registry-client.ts';

import { bounded, type Clock } from './clock.ts';
import type { GatewayReport, Gateways } from './gateways.ts';
import type { Report } from './log.ts';
import { confirmLive, drained } from './propagation.ts';
import type { Registrar, RegistrationState } from './registrar.ts';
import { describeError } from './service-error.ts';
import type { ExitGuard } from './signals.ts';

/** A running, registered service. Ends by `stop()`, by `await using`, or by a signal. */
export interface ServiceHandle extends AsyncDisposable {
  readonly id: string;
  readonly name: string;
  /** The registered address; undefined while it can't be determined because Consul's name does not resolve. */
  readonly address: string | undefined;
  /** The port that is bound. */
  readonly port: number;
  /** Where the registration stands right now. */
  readonly registration: RegistrationState;
  /**
   * What the gateways say once this instance is registered: settles as soon as it is live on all of them, else 5 s later, and at a
   * stop. Without gateways the list is empty. Never rejects.
   */
  readonly live: Promise<GatewayReport>;
  /**
   * Announces the end in Consul, waits until all gateways have confirmed that they send nothing new (or for a fixed time, where
   * there are none), closes the listener, finishes what is in flight, deregisters.
   * Never rejects, always ends: every step is bounded. Called again it returns the same promise. Does not exit the process.
   */
  stop(): Promise<void>;
}

/** One step of a stop that is the kind of service's own. */
export interface Closing {
  /** Once Consul knows, before gateways are waited for: everything is still served. */
  readonly announce: () => void;
  /** After that: stop accepting, finish, clean up. Bounded by itself. */
  readonly close: () => Promise<void>;
}

/** What a handle is made of. */
export interface HandleParts {
  readonly id: string;
  readonly name: string;
  readonly port: number;
  readonly acknowledgeTimeoutMs: number;
  readonly propagationMs: number;
  readonly gateways: Gateways;
  readonly registrar: Registrar;
  readonly client: RegistryClient;
  readonly closing: Closing;
  readonly clock: Clock;
  readonly report: Report;
  /** Undefined: signals are somebody else's business. */
  readonly guard: ExitGuard | undefined;
}

/** Puts a handle together and, if asked, under the guard. The order of a stop is in here. */
export function createServiceHandle(parts: HandleParts): ServiceHandle {
  const { registrar, closing, report } = parts;
  let stopping: Promise<void> | undefined;
  let reason = 'stopping';

  /** Ends the question whether the gateways took the instance up. */
  const leaving = new AbortController();

  async function run(): Promise<void> {
    report('info', 'stopping', reason);
    leaving.abort();
    const left = await registrar.leave();
    closing.announce();
    if (left !== 'never_registered') await drained(parts, left);
    await closing.close();
    await registrar.forget();
    parts.client.close();
    release();
    report('info', 'stopped', 'stopped');
  }

  const live = registrar.first.then(() => confirmLive(parts, leaving.signal));
  const stop = (): Promise<void> => (stopping ??= run());
  const release =
    parts.guard?.add({
      stop,
      announce: (why) => {
        if (why.kind === 'fatal')
          report('error', 'fatal_error', `uncaught error, the process will exit with 1: ${why.message}`);
        else if (why.kind === 'disconnect') reason = 'stopping because the parent process has gone';
        else reason = `stopping because of ${why.signal}; a second signal exits at once`;
      },
    }) ?? (() => undefined);

  return {
    id: parts.id,
    name: parts.name,
    port: parts.port,
    get address() {
      return registrar.state.address;
    },
    get registration() {
      return registrar.state;
    },
    live,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Runs a step of somebody else's during a stop: what it throws is reported, and it may take `timeoutMs` at most. */
export async function stopStep(
  what: string,
  step: () => Promise<void>,
  limits: { readonly clock: Clock; readonly timeoutMs: number; readonly report: Report },
): Promise<void> {
  const { clock, timeoutMs, report } = limits;
  try {
    await bounded(
      { clock, timeoutMs, timeoutError: () => new Error(`not finished within ${timeoutMs / 1000} s`) },
      async () => {
        await step();
      },
    );
  } catch (error) {
    report('warn', 'stop_step_failed', `${what}: ${describeError(error)}`);
  }
}
