import { once } from 'node:events';
import type { LookupFunction } from 'node:net';

import {
  type Endpoint,
  endpointKey,
  type Instance,
  type RoutingStatus,
  type Snapshot,
  type Upstream,
} from '@roundhouse/agent-sdk/internal';

import type { CheckSettings } from '../config/gateway-config.ts';
import type { Log } from '../telemetry/log.ts';
import { createChecks, type CheckNews, type CheckOpinion, type Checks } from './checks.ts';
import { createConcurrencyLimit, type ConcurrencyLimit } from './concurrency-limit.ts';
import { endpointChanges } from './endpoint-changes.ts';
import { watchEventLoop, type EventLoopWatch } from './event-loop-watch.ts';
import type { Probe } from './probe.ts';
import { createProber } from './prober.ts';
import { createReachability, type Reachability } from './reachability.ts';
import { endpointsById, stateOf, stateWithoutEndpoint } from './routing-status.ts';

/** A service as health needs it: the registry's view of now. */
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
  readonly identity: 'verify' | 'off';
  /** The engines' own: what they must not reach is not probed either. */
  readonly lookup: LookupFunction;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Hears of every change of a check's verdict, beside the log. */
  readonly onCheck?: (news: CheckNews) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly random: () => number;
}

/** What the gateway finds out about instances by itself, beside what Consul says and what requests show. */
export interface Health {
  /** Checks, and probes of new instances, until the signal aborts; resolves when no socket and no timer of it is left. Once. */
  run(signal: AbortSignal): Promise<void>;
  /** To be called after every change of a service's instances or settings: takes note, and does the work a little later. */
  changed(service: string): void;
  /** For other parts of the gateway that have to know whether an instance is alive. Works before `run`, too. */
  readonly probe: Probe;
  /** What an instance is told when it asks how it stands here. */
  routingStatus(service: string, id: string): RoutingStatus;
  /** What the checks say of an endpoint, for the admin API. */
  check(service: string, instance: Instance): CheckOpinion;
  readonly loop: EventLoopWatch;
}

/** Several changes of a service are looked at together after so long; a new instance is probed this late. */
const settleMs = 10;
/** And the next time this many times later than it took, so that a storm of registrations costs a twentieth of the time at most. */
const settlePause = 20;
/** Active checks at a time: thousands may be due, and file descriptors are needed elsewhere. */
const checksAtATime = 64;
/** First probes of new instances have places of their own, so that dead ones under checks don't hold them up. */
const firstProbesAtATime = 32;
/** Opening and closing a connection takes a good tenth of a millisecond: hundreds of new instances are not to hold requests up. */
const firstProbesPerTurn = 4;
/** The loop watch runs from here on, until {@link Health.run} has ended. */
export function createHealth(options: HealthOptions): Health {
  return new HealthState(options);
}

class HealthState implements Health {
  readonly #options: HealthOptions;
  readonly probe: Probe;
  readonly #limits: readonly ConcurrencyLimit[];
  readonly #checks: Checks;
  readonly #reachability: Reachability;
  readonly #dirty = new Set<string>();
  /** What the endpoints of each service were when they were looked at last. */
  readonly #seen = new Map<string, Snapshot>();
  readonly #byId = new Map<string, ReadonlyMap<string, Endpoint>>();
  #phase: 'new' | 'running' | 'ended' = 'new';
  #timer: NodeJS.Timeout | undefined;
  #notBeforeMs = 0;
  #sweepAt = 16;
  readonly loop: EventLoopWatch;

  constructor(options: HealthOptions) {
    const { identity, lookup, now, random } = options;
    this.#options = options;
    this.loop = watchEventLoop({ now });
    const probe = createProber({ identity, lookup, loop: this.loop });
    const [forChecks, forFirst] = [
      createConcurrencyLimit(checksAtATime),
      createConcurrencyLimit(firstProbesAtATime, firstProbesPerTurn),
    ];
    this.probe = probe;
    this.#limits = [forChecks, forFirst];
    this.#checks = createChecks({ probe, limit: forChecks, onNews: this.#onCheck, random });
    this.#reachability = createReachability({ probe, limit: forFirst, onDead: this.#onUnreachable, now });
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#phase = 'running';
    for (const service of this.#options.services.names()) this.#dirty.add(service);
    this.#settle();
    if (!signal.aborted) await once(signal, 'abort');
    this.#phase = 'ended';
    clearTimeout(this.#timer);
    this.#checks.stop();
    this.#reachability.stop();
    await Promise.all(this.#limits.map((limit) => limit.stop()));
    this.loop.stop();
  }

  changed(service: string): void {
    this.#byId.delete(service);
    if (this.#phase === 'ended') return;
    this.#dirty.add(service);
    if (this.#phase !== 'running' || this.#timer !== undefined) return;
    const waitMs = Math.max(settleMs, this.#notBeforeMs - this.#options.now());
    this.#timer = setTimeout(() => {
      this.#settle();
    }, waitMs).unref();
  }

  routingStatus(service: string, id: string): RoutingStatus {
    const { services, gateway, now } = this.#options;
    const view = services.get(service);
    const endpoint = view === undefined ? undefined : this.#endpoint(view, id);
    const state =
      endpoint === undefined
        ? stateWithoutEndpoint(view?.snapshot, id)
        : stateOf(
            {
              endpoint,
              reach: () => this.#reachability.of(endpoint.instance),
              check: this.check(service, endpoint.instance),
            },
            now(),
          );
    return { gateway: gateway(), ...state, inFlight: endpoint?.inFlight ?? 0 };
  }

  check(service: string, instance: Instance): CheckOpinion {
    return this.#checks.opinion(service, endpointKey(instance));
  }

  /** By an index that is made at the first question after a change: a herd that asks costs no more than a look-up each. */
  #endpoint({ service, upstream }: HealthService, id: string): Endpoint | undefined {
    let index = this.#byId.get(service);
    if (index === undefined) {
      index = endpointsById(upstream.endpoints);
      this.#byId.set(service, index);
    }
    return index.get(id);
  }

  #settle(): void {
    const startedMs = this.#options.now();
    this.#timer = undefined;
    for (const service of this.#dirty) this.#take(service);
    this.#dirty.clear();
    this.#sweep();
    const tookMs = this.#options.now() - startedMs;
    this.#notBeforeMs = startedMs + Math.max(settleMs, settlePause * tookMs);
  }

  #take(service: string): void {
    const before = this.#seen.get(service);
    const view = this.#options.services.get(service);
    const after = view?.snapshot;
    const changes = endpointChanges(before, after);
    if (after === undefined) this.#seen.delete(service);
    else this.#seen.set(service, after);
    for (const instance of changes.gone) this.#reachability.gone(instance);
    if (before !== undefined) for (const instance of changes.appeared) this.#reachability.appeared(instance);
    if (view === undefined || after === undefined) {
      this.#checks.forget(service);
    } else {
      const { upstream, settings } = view;
      this.#checks.follow(
        { service, upstream, instances: after.instances, checks: settings.checks },
        changes,
      );
    }
  }

  /** Services leave without a word once they are empty; looked for when there are twice as many as the last time. */
  #sweep(): void {
    if (this.#seen.size < this.#sweepAt) return;
    for (const service of this.#seen.keys())
      if (this.#options.services.get(service) === undefined) this.#take(service);
    this.#sweepAt = 2 * this.#seen.size + 16;
  }

  readonly #onCheck = (news: CheckNews): void => {
    const { log, onCheck } = this.#options;
    const { service, instance, verdict, reason } = news;
    const fields = { service, instance: instance.id, address: instance.address, port: instance.port };
    if (verdict === 'down')
      log.warn(`An instance of ${service} fails its checks and is left out: ${reason}.`, fields);
    else log.info(`An instance of ${service} passes its checks again.`, fields);
    onCheck?.(news);
  };

  readonly #onUnreachable = (instance: Instance, reason: string): void => {
    const { service, id, address, port } = instance;
    this.#options.log.warn(`A new instance of ${service} can't be reached: ${reason}.`, {
      service,
      instance: id,
      address,
      port,
    });
  };
}
