import { once } from 'node:events';
import type { LookupFunction } from 'node:net';

import {
  endpointKey,
  lookMs,
  type Endpoint,
  type HeldProbe,
  type Instance,
  routingKeyMetaKey,
  type RoutingQuestion,
  type RoutingStatus,
  type Snapshot,
  type SnapshotChange,
  type Upstream,
} from '@roundhouse/agent-sdk/internal';

import type { CheckSettings } from '../config/gateway-config.ts';
import { processTicker, type Ticker } from '../sockets/timeout-wheel.ts';
import type { Log } from '../telemetry/log.ts';
import { createChecks, type CheckChange, type EndpointCheck, type Checks } from './checks.ts';
import { createConcurrencyLimit, type ConcurrencyLimit } from './concurrency-limit.ts';
import { watchEventLoop, type EventLoopWatch } from './event-loop-watch.ts';
import { connectProbe } from './probe.ts';
import { createProber } from './prober.ts';
import { createReachability, type Reachability } from './reachability.ts';
import { createSilenceQuestions, type SilenceQuestions } from './silence.ts';
import { endpointsById, stateOf, stateWithoutEndpoint } from './routing-status.ts';

/** A service as health needs it: the registry's present view. */
export interface HealthService {
  readonly service: string;
  readonly upstream: Upstream;
  readonly snapshot: Snapshot | undefined;
  readonly settings: { readonly checks: CheckSettings };
}

/** What health needs from outside. */
export interface HealthOptions {
  readonly services: {
    /** The service as it is now; undefined when it is not followed. */
    readonly get: (service: string) => HealthService | undefined;
    readonly names: () => readonly string[];
  };
  /** The gateway's name in the answers to instances. */
  readonly gateway: () => string;
  /** Whether probes verify which instance answers. */
  readonly identity: () => 'verify' | 'off';
  /** The same as for requests: what they must not reach is not probed either. */
  readonly lookup: LookupFunction;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly random: () => number;
  /** Of the looks for silent instances. Default: the process's own. */
  readonly ticker?: Ticker;
}

/** What the gateway itself finds out about instances, beside Consul's view and the results of requests. */
export interface Health {
  /** Checks, probes of new instances and looks for silent ones, until the signal aborts; resolves when no socket and no timer of it is left. Once. */
  run(signal: AbortSignal): Promise<void>;
  /** A listener of the registry: takes every change of a service, in order. */
  serviceChanged(change: { readonly service: string; readonly instances: SnapshotChange }): void;
  /** Reads the check settings of all services again, after the configuration has changed. */
  reconfigure(): void;
  /** Whether an instance is alive that the registry no longer lists. Works before `run`, too. Bound; may be passed on. */
  readonly probeHeld: HeldProbe;
  /** Has `leave` called for each silent endpoint, again and again while requests wait for it. */
  onSilent(leave: (endpoint: Endpoint) => void): void;
  /** The gateway's answer to an instance that asks whether it gets requests. */
  routingStatus(question: RoutingQuestion): RoutingStatus | undefined;
  /** The verdict of the checks about an endpoint. */
  check(service: string, instance: Instance): EndpointCheck;
  readonly loop: EventLoopWatch;
}

/** Active checks at a time: thousands may be due, and file descriptors are needed elsewhere. */
const checksAtATime = 64;
/** First probes of new instances have a limit of their own, so that checks of dead ones don't delay them. */
const firstProbesAtATime = 32;
/** Opening and closing a connection takes over 0.1 ms: hundreds of new instances must not delay requests. */
const firstProbesPerTurn = 4;
/** Questions to endpoints that say nothing: of a network that is cut off, hundreds are asked within seconds. */
const questionsAtATime = 64;
/** Thousands of instances can be held at once. */
const heldProbesAtATime = 64;

/** The event loop watch runs from here on, until {@link Health.run} has ended. */
export function createHealth(options: HealthOptions): Health {
  return new HealthState(options);
}

class HealthState implements Health {
  readonly #options: HealthOptions;
  readonly #limits: readonly ConcurrencyLimit[];
  readonly #checks: Checks;
  readonly #reachability: Reachability;
  readonly #silence: SilenceQuestions;
  readonly #leave = new Set<(endpoint: Endpoint) => void>();
  /** Endpoints by the ids of their instances; made at the first question after a change. */
  readonly #byId = new WeakMap<Upstream, ReadonlyMap<string, Endpoint>>();
  #isRunning = false;
  readonly loop: EventLoopWatch;
  readonly probeHeld: HeldProbe;

  constructor(options: HealthOptions) {
    const { identity, lookup, now, random } = options;
    this.#options = options;
    this.loop = watchEventLoop({ now });
    const probe = createProber({ identity, lookup, loop: this.loop });
    const forChecks = createConcurrencyLimit(checksAtATime);
    const forFirst = createConcurrencyLimit(firstProbesAtATime, firstProbesPerTurn);
    const forHeld = createConcurrencyLimit(heldProbesAtATime);
    const forSilent = createConcurrencyLimit(questionsAtATime);
    this.#limits = [forChecks, forFirst, forHeld, forSilent];
    this.probeHeld = async (instance, signal) => {
      const result = await forHeld.run(() => probe(instance, connectProbe, signal));
      return result?.kind === 'dead' ? result.reason : undefined;
    };
    this.#checks = createChecks({ probe, limit: forChecks, onChange: this.#onCheck, random });
    this.#reachability = createReachability({
      probe,
      limit: forFirst,
      onUnreachable: this.#onUnreachable,
      now,
    });
    this.#silence = createSilenceQuestions({
      checkPath: (service) => {
        const checks = options.services.get(service)?.settings.checks;
        return checks?.kind === 'http' ? checks.path : undefined;
      },
      probe,
      limit: forSilent,
      leave: (endpoint) => {
        for (const leave of this.#leave) leave(endpoint);
      },
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#isRunning = true;
    this.reconfigure();
    const stopLooking = (this.#options.ticker ?? processTicker)(() => {
      this.#silence.look();
    }, lookMs);
    if (!signal.aborted) await once(signal, 'abort');
    this.#isRunning = false;
    stopLooking();
    this.#silence.stop();
    this.#checks.stop();
    this.#reachability.stop();
    await Promise.all(this.#limits.map((limit) => limit.stop()));
    this.loop.stop();
  }

  serviceChanged({ service, instances }: Parameters<Health['serviceChanged']>[0]): void {
    const view = this.#options.services.get(service);
    if (view !== undefined) this.#byId.delete(view.upstream);
    if (!this.#isRunning) return;
    const { before, added, removed, updated } = instances;
    for (const instance of removed) this.#remove(service, instance);
    for (const { before: old, after } of updated) {
      if (isSameRegistration(old, after)) {
        this.#checks.renew(service, after);
      } else {
        this.#remove(service, old);
        this.#add(service, after);
      }
    }
    // What is there when the gateway starts is probed on request only.
    if (before !== undefined) for (const instance of added) this.#add(service, instance);
    this.#configure(view);
  }

  reconfigure(): void {
    const { names, get } = this.#options.services;
    if (this.#isRunning) for (const service of names()) this.#configure(get(service));
  }

  onSilent(leave: (endpoint: Endpoint) => void): void {
    this.#leave.add(leave);
  }

  routingStatus({ service, id, key }: RoutingQuestion): RoutingStatus | undefined {
    const { services, gateway, now } = this.#options;
    const view = services.get(service);
    const endpoint = view === undefined ? undefined : this.#endpoint(view.upstream, id);
    if (endpoint !== undefined && endpoint.instance.meta[routingKeyMetaKey] !== key) return undefined;
    const state =
      endpoint === undefined
        ? stateWithoutEndpoint(view?.snapshot, { id, key })
        : stateOf(
            {
              endpoint,
              reach: () => this.#reachability.of(endpoint.instance),
              check: this.check(service, endpoint.instance),
            },
            now(),
          );
    return state && { gateway: gateway(), ...state, inFlight: endpoint?.inFlight ?? 0 };
  }

  check(service: string, instance: Instance): EndpointCheck {
    return this.#checks.status(service, endpointKey(instance));
  }

  /** Many instances ask at once after a change, so the index makes each question O(1). */
  #endpoint(upstream: Upstream, id: string): Endpoint | undefined {
    let index = this.#byId.get(upstream);
    if (index === undefined) {
      index = endpointsById(upstream.endpoints);
      this.#byId.set(upstream, index);
    }
    return index.get(id);
  }

  #configure(view: HealthService | undefined): void {
    if (view === undefined) return;
    const { service, upstream, snapshot, settings } = view;
    const instances = snapshot?.instances ?? [];
    this.#silence.watch(upstream);
    this.#checks.configure({ service, upstream, instances, checks: settings.checks });
  }

  #add(service: string, instance: Instance): void {
    if (instance.status === 'draining') return;
    this.#reachability.add(instance);
    this.#checks.add(service, instance);
  }

  #remove(service: string, instance: Instance): void {
    this.#reachability.remove(instance);
    this.#checks.remove(service, instance);
  }

  readonly #onCheck = ({ service, instance, verdict, reason }: CheckChange): void => {
    const { log } = this.#options;
    const fields = { service, instance: instance.id, address: instance.address, port: instance.port };
    if (verdict === 'down')
      log.warn(`An instance of ${service} fails its checks and is left out: ${reason}.`, fields);
    else log.info(`An instance of ${service} passes its checks again.`, fields);
  };

  readonly #onUnreachable = (instance: Instance, reason: string): void => {
    const { service, id, address, port } = instance;
    const fields = { service, instance: id, address, port };
    this.#options.log.warn(`A new instance of ${service} can't be reached: ${reason}.`, fields);
  };
}

/** Otherwise what was found out about the endpoint is void: it moved, was registered anew, or drains or stopped draining. */
function isSameRegistration(a: Instance, b: Instance): boolean {
  return (
    a.status !== 'draining' &&
    b.status !== 'draining' &&
    a.createIndex === b.createIndex &&
    endpointKey(a) === endpointKey(b)
  );
}
