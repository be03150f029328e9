import type { RegistryClient } from '../discovery/registry-client.ts';

import { advertisedAddress, probeRoute } from './advertised-address.ts';
import { bounded, sleep, systemClock } from './clock.ts';
import { createGateways } from './gateways.ts';
import type { IdentityAnswer } from './identity-answer.ts';
import { createLineLog, createReport, type Report, type ServiceLog } from './log.ts';
import { createRegistrar, type RegistrarTiming } from './registrar.ts';
import { serviceDefinition } from './service-definition.ts';
import { ServiceError } from './service-error.ts';
import { type Closing, createServiceHandle, type ServiceHandle } from './service-handle.ts';
import { createExitGuard } from './signals.ts';
import type { CheckedOptions } from './validate-options.ts';

/** How long a start waits for the first registration before it goes on in the background. */
const firstAttemptMs = 2_000;

/** One guard for all services of the process; it listens to nothing until it has a member. */
const exitGuard = createExitGuard(process);

/** What the two public calls know when everything is ready to be announced. */
export interface Announcement {
  readonly checked: CheckedOptions;
  readonly id: string;
  /** Whether this process says who it is when a gateway connects. */
  readonly identity: IdentityAnswer['state'];
  readonly client: RegistryClient;
  readonly port: number;
  /** The IP address that we bound, undefined when somebody else listens. */
  readonly bound: string | undefined;
  readonly closing: Closing;
  readonly report: Report;
}

/**
 * Registers and returns the handle, registered in the normal case. When Consul can't be reached it returns all the same, after
 * 2 s at most, and registering goes on in the background. Rejects with ServiceError `address_refused`, and with nothing else.
 */
export async function announce(announcement: Announcement): Promise<ServiceHandle> {
  const { checked, id, identity, client, port, bound, closing, report } = announcement;
  const address = () =>
    advertisedAddress(
      { configured: checked.address, bound, consul: checked.consul.address.value },
      probeRoute,
    );
  await refuseBadAddress(address);

  const facts = {
    ...checked,
    id,
    identity,
    port,
    pid: process.pid,
    started: new Date().toISOString(),
  };
  const registrar = createRegistrar({
    client,
    define: (at) => serviceDefinition(facts, at),
    resolveAddress: address,
    id: checked.id === undefined ? 'generated' : 'given',
    timing: registrarTiming(checked.ttlMs),
    clock: systemClock,
    report,
  });
  const handle = createServiceHandle({
    id,
    name: checked.name,
    port,
    acknowledgeTimeoutMs: checked.acknowledgeTimeoutMs,
    propagationMs: checked.propagationMs,
    gateways: createGateways({
      client,
      gateways: checked.gateways,
      service: checked.name,
      id,
      clock: systemClock,
    }),
    registrar,
    client,
    closing,
    clock: systemClock,
    report,
    guard: checked.signals === 'handle' ? exitGuard : undefined,
  });
  const waited = new AbortController();
  await Promise.race([registrar.start(), sleep(systemClock, firstAttemptMs, waited.signal)]);
  waited.abort();
  return handle;
}

/**
 * The heartbeat comes often enough that an agent which forgot us has us back within 15 s even when a call times out in between:
 * 5 s to the heartbeat, 4 s for a call, 5 s of backoff.
 */
export function registrarTiming(ttlMs: number): RegistrarTiming {
  const heartbeatMs = Math.min(ttlMs / 3, 5_000);
  return {
    heartbeatMs,
    reconcileMs: 30_000,
    callTimeoutMs: Math.max(1_000, Math.min(heartbeatMs, 4_000)),
    backoff: { minMs: Math.min(250, heartbeatMs), maxMs: heartbeatMs },
    remindMs: 60_000,
  };
}

/** The log of one service: the caller's, or lines on stderr. Reads `LOG_LEVEL`. */
export function reportFor(name: string, log: ServiceLog | undefined): Report {
  return createReport(name, log ?? stderrLog());
}

let stderr: 'unguarded' | 'guarded' = 'unguarded';

/**
 * Lines on stderr. Whoever reads them may go away first; the EPIPE that then comes with every line must not become an uncaught
 * exception, whose report would be the next line.
 */
function stderrLog(): ServiceLog {
  if (stderr === 'unguarded') {
    stderr = 'guarded';
    process.stderr.on('error', () => undefined);
  }
  return createLineLog((line) => process.stderr.write(line), process.env['LOG_LEVEL']);
}

/** A wrong setting fails the start; an address that can't be determined yet does not. */
async function refuseBadAddress(address: () => Promise<string>): Promise<void> {
  try {
    await bounded(
      {
        clock: systemClock,
        timeoutMs: firstAttemptMs,
        timeoutError: () => new Error('not determined in time'),
      },
      address,
    );
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'address_refused') throw error;
  }
}
