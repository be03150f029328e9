import cluster from 'node:cluster';
import type { Server } from 'node:http';
import { Server as SecureServer } from 'node:https';
import { isIPv6 } from 'node:net';

import { createConsulClient } from '../discovery/consul-client.ts';
import type { RegistryClient } from '../discovery/registry-client.ts';

import { advertisedAddress, probeRoute, unmapped } from './advertised-address.ts';
import { boundAddress, raiseTimeouts } from './application.ts';
import { bind, isOwnPort } from './bind.ts';
import { type CheckedOptions, checkRegisterOptions, checkServiceOptions } from './check-options.ts';
import { bounded, sleep, systemClock as clock } from './clock.ts';
import { ConnectionDrain } from './drain.ts';
import { allConfirmed, createGateways, type Gateways } from './gateways.ts';
import { answerIdentity, type IdentityAnswer } from './identity-answer.ts';
import { createReport, type Report } from './log.ts';
import type { RegisterOptions, ServiceOptions } from './options.ts';
import { createRegistrar, type Registrar } from './registrar.ts';
import { refusesConnections } from './rivals.ts';
import { createInstanceId, createRoutingKey, serviceDefinition } from './service-definition.ts';
import { answerFailures } from './server-events.ts';
import { describeError, ServiceError, stackOf } from './service-error.ts';
import type { ServiceHandle } from './service-handle.ts';
import { createExitGuard, type ExitReason } from './signals.ts';
import { registrarTiming, timeLimits } from './time-limits.ts';

/*
 * The life of a service, in the order of this file:
 *
 *   starting       options, framework, port, `ready` hook, address
 *   registering    the first registration; without Consul it goes on in the background
 *   serving        heartbeats; the gateways are asked whether the instance is live
 *   leaving        maintenance in Consul, `Connection: close`, gateways confirm that they send nothing new
 *   draining       listener, requests in flight, framework, `close` hook, identity answer
 *   deregistering  the instance leaves Consul
 *   stopped
 *
 * `time-limits.ts` has all time limits.
 */

/** One service from its options on. */
interface Service {
  readonly options: CheckedOptions;
  readonly id: string;
  readonly key: string;
  readonly report: Report;
  readonly client: RegistryClient;
  /** Undefined: the identity question is not answered. */
  readonly identity: IdentityAnswer | undefined;
  /** The server, where it is known, and what closes it without failing a request. */
  readonly served: { readonly server: Server; readonly drain: ConnectionDrain } | undefined;
  /** Closes the framework, once. */
  readonly closeFramework: () => Promise<void>;
}

/** Where a service listens; the address is undefined where the process listens by itself. */
interface Listener {
  readonly port: number;
  readonly address: string | undefined;
}

/** One guard for all services of the process; it listens to nothing until it has a hook. */
const exitGuard = createExitGuard(process);

/**
 * Serves and registers a service: binds a port, waits until the application is ready, registers in Consul and keeps it registered.
 * On SIGTERM, SIGINT or a fatal error it leaves without failing a request. Gateways that open a connection may ask for the
 * instance's identity, which is answered in front of the application.
 *
 * Resolves once the service is bound and ready, normally registered too. A Consul that is down does not keep a service from
 * serving: the log says so and registering goes on in the background. Rejects with {@link ServiceError}, then nothing is
 * left open. Reads `PORT`, `HOST`, `ADDRESS`, `LOG_LEVEL` and `CONSUL_*`. Ended by {@link ServiceHandle.stop} or a signal.
 */
export async function startService(options: ServiceOptions): Promise<ServiceHandle> {
  const checked = checkServiceOptions(options, process.env);
  const { handler: application, host, port } = checked;
  const { server } = application;
  const service = createService(checked, server, {
    close: () => application.close(),
    hasOwnPort: !server.listening && isOwnPort(port.value),
  });
  const isListening = (): boolean => server.listening;
  const isOurs = !isListening();
  try {
    await application.ready();
    if (isOurs) {
      await bind({
        listen: application.listen,
        choice: port.value,
        host: host?.value,
        random: Math.random,
        origin: port.origin,
      });
    }
    const listener = boundAddress(server);
    const shown = isIPv6(listener.address) ? `[${listener.address}]` : listener.address;
    service.report('info', 'listening', `listening on ${shown}:${listener.port}`);
    return await register(service, listener);
  } catch (error) {
    service.client.close();
    if (isOurs && isListening()) await finishServing(service);
    else service.identity?.release();
    throw error;
  }
}

/**
 * Registers a process that listens by itself: call it when the port is bound and can answer. With the option `server` a stop is
 * that of `startService`. Without, stopping the listener is the caller's, in the option `close`, called once gateways send nothing new;
 * with `signals: 'handle'` the process exits after that, so without `close` what is in flight at a signal is lost.
 */
export async function registerService(options: RegisterOptions): Promise<ServiceHandle> {
  const checked = checkRegisterOptions(options, process.env);
  const { server, port } = checked;
  const service = createService(checked, server, { close: () => Promise.resolve(), hasOwnPort: false });
  const bound = server?.address();
  const isKnown = typeof bound === 'object' && bound?.port === port;
  try {
    return await register(service, { port, address: isKnown ? unmapped(bound.address) : undefined });
  } catch (error) {
    service.client.close();
    service.identity?.release();
    throw error;
  }
}

function createService(
  options: CheckedOptions,
  server: Server | undefined,
  { close, hasOwnPort }: { readonly close: () => Promise<void>; readonly hasOwnPort: boolean },
): Service {
  const { name, log } = options;
  const isSecure = server instanceof SecureServer;
  // The next connection to the same port may reach another process.
  const isShared = cluster.isWorker && !hasOwnPort;
  if (isSecure && (options.routes.length > 0 || options.check !== undefined)) {
    throw new ServiceError('invalid_options', [
      'routes and check need plain HTTP: gateways and the check do not speak TLS to instances, and this is a server of node:https.',
    ]);
  }
  const id = options.id ?? createInstanceId(name);
  const report = createReport(name, log);
  let closing: Promise<void> | undefined;
  if (server !== undefined) {
    raiseTimeouts(server);
    answerFailures(server, (error, { method = '', url = '' }) => {
      report('error', 'handler_failed', `${method} ${url.replace(/\?.*$/su, '')} failed: ${stackOf(error)}`);
    });
  }
  return {
    options,
    id,
    key: createRoutingKey(),
    report,
    client: createConsulClient(options.consul.settings),
    identity:
      options.identity === 'answer' && !isSecure && !isShared ? answerIdentity(server, id) : undefined,
    served: server && { server, drain: new ConnectionDrain(server, clock) },
    closeFramework: () => (closing ??= close()),
  };
}

/**
 * Still starting: the `ready` hook and the address, which must be good. Then registering: resolves with the handle, registered in
 * the normal case, after {@link timeLimits.firstAttemptMs} at most. Rejects with ServiceError `not_ready` or `address_refused`.
 */
async function register(service: Service, listener: Listener): Promise<ServiceHandle> {
  const { options, id, key, report, client } = service;
  for (const warning of options.consul.warnings) report('warn', 'listening', warning);
  try {
    await options.ready?.();
  } catch (error) {
    throw new ServiceError('not_ready', [`The ready hook failed: ${describeError(error)}`], { cause: error });
  }
  const resolveAddress = (): Promise<string> =>
    advertisedAddress(
      {
        configured: options.address,
        network: options.network,
        bound: listener.address,
        consul: client.address,
      },
      probeRoute,
    );
  await refuseBadAddress(resolveAddress);

  const facts = {
    ...options,
    id,
    key,
    port: options.advertisedPort?.value ?? listener.port,
    scheme: service.served?.server instanceof SecureServer ? ('https' as const) : undefined,
    answersIdentity: service.identity !== undefined,
    pid: process.pid,
    started: new Date().toISOString(),
  };
  const registrar = createRegistrar({
    client,
    id,
    idMayBeReused: options.id !== undefined,
    refusesConnections,
    define: (address) => serviceDefinition(facts, address),
    resolveAddress,
    timing: registrarTiming(options.ttlMs),
    clock,
    report,
  });
  const handle = serve(service, registrar, listener.port);
  const waited = new AbortController();
  await Promise.race([registrar.start(), sleep(clock, timeLimits.firstAttemptMs, waited.signal)]);
  waited.abort();
  if (service.served !== undefined) stopWhenClosed(service.served, handle);
  return handle;
}

/** Other code may close the server; then nothing answers here any more, and gateways have to know before. */
function stopWhenClosed({ server, drain }: NonNullable<Service['served']>, handle: ServiceHandle): void {
  const stop = (): void => void handle.stop();
  if (server.listening) drain.holdClose(stop);
  else stop();
  server.once('close', stop);
}

/** A wrong setting fails the start; an address that can't be determined yet does not. */
async function refuseBadAddress(resolveAddress: () => Promise<string>): Promise<void> {
  try {
    await bounded({ clock, timeoutMs: timeLimits.firstAttemptMs }, resolveAddress);
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'address_refused') throw error;
  }
}

/** Serving: from here on the service can be stopped, by the handle and by the guard. */
function serve(service: Service, registrar: Registrar, port: number): ServiceHandle {
  const { options, id, key, report, client } = service;
  const { name } = options;
  const gateways = createGateways({
    client,
    gateways: options.gateways,
    service: name,
    id,
    key,
    clock,
    report,
  });
  /** Ends the question whether the instance is live. */
  const leaving = new AbortController();
  let stopping: Promise<void> | undefined;
  const stop = (reason: string): Promise<void> => {
    leaving.abort();
    return (stopping ??= end(service, { registrar, gateways, reason }).then(() => {
      release();
    }));
  };
  const onExit = (why: ExitReason): Promise<void> => {
    if (why.kind === 'fatal')
      report('error', 'fatal_error', `uncaught error, the process will exit with 1: ${why.message}`);
    if (why.kind === 'cut')
      report('warn', 'stop_cut', `${why.signal} again: the process exits now and does not finish the stop`);
    return stop(stopReason(why));
  };
  const release = options.signals === 'handle' ? exitGuard.add(onExit) : () => undefined;
  const stopByCaller = (): Promise<void> => stop('stopping');
  return {
    id,
    name,
    port,
    get address() {
      return registrar.state.address;
    },
    get registration() {
      return registrar.state;
    },
    live: registrar.first.then(() => gateways.confirmLive(timeLimits.liveMs, leaving.signal)),
    stop: stopByCaller,
    [Symbol.asyncDispose]: stopByCaller,
  };
}

function stopReason(why: ExitReason): string {
  switch (why.kind) {
    case 'fatal':
    case 'cut':
      return 'stopping';
    case 'disconnect':
      return 'stopping because the parent process has gone';
    case 'signal':
      return `stopping because of ${why.signal}; a second signal after more than a second exits at once`;
  }
}

/** Leaving, draining, deregistering, stopped. Never rejects; every step is bounded. */
async function end(
  service: Service,
  {
    registrar,
    gateways,
    reason,
  }: { readonly registrar: Registrar; readonly gateways: Gateways; readonly reason: string },
): Promise<void> {
  const { report, client, served } = service;
  report('info', 'stopping', reason);
  const told = await registrar.leave();
  served?.drain.disableKeepAlive();
  if (told !== 'never_registered') await untilNothingNew(service, gateways, told === 'announced');

  await finishServing(service);

  await registrar.deregister();
  client.close();

  report('info', 'stopped', 'stopped');
}

/**
 * Leaving: waits until no gateway sends new requests any more, as far as that can be known. While Consul does not know that the
 * instance leaves, there is nothing that gateways could confirm.
 */
async function untilNothingNew(
  { options, report }: Service,
  gateways: Gateways,
  consulKnows: boolean,
): Promise<void> {
  const { acknowledgeTimeoutMs, propagationMs } = options;
  const sinceMs = clock.nowMs();
  if (consulKnows) {
    const answer = await gateways.confirmDrained(acknowledgeTimeoutMs);
    if (allConfirmed(answer)) return sleep(clock, timeLimits.settleMs);
    if (answer.gateways.length === 0 && answer.problem !== undefined) {
      const rest = `closing after ${propagationMs} ms`;
      report('warn', 'drain_acknowledged', `could not ask for gateways: ${answer.problem}; ${rest}`);
    }
  }
  return sleep(clock, Math.max(timeLimits.settleMs, propagationMs - (clock.nowMs() - sinceMs)));
}

/** Draining: the listener and what is in flight, the framework, the caller's `close` hook, the identity answer; each ends once. */
async function finishServing({ options, report, served, closeFramework, identity }: Service): Promise<void> {
  const { drainTimeoutMs, close } = options;
  const step = async (what: string, act: () => Promise<void>, timeoutMs: number): Promise<void> => {
    try {
      await bounded({ clock, timeoutMs }, () => act());
    } catch (error) {
      report('warn', 'stop_step_failed', `${what}: ${describeError(error)}`);
    }
  };
  if (served !== undefined) {
    const cut = await served.drain.finish(drainTimeoutMs, closeFramework);
    if (cut > 0) {
      const rest = `still busy after ${drainTimeoutMs / 1000} s`;
      report('warn', 'connections_cut', `cut ${cut} connection(s) that were ${rest}`);
    }
    await step('closing the application', closeFramework, timeLimits.closeHookMs);
  }
  if (close !== undefined)
    await step('the close hook', close, served === undefined ? drainTimeoutMs : timeLimits.closeHookMs);
  identity?.release();
}
