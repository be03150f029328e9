import { endpointKey, type CheckVerdict, type Instance, type Upstream } from '@roundhouse/agent-sdk/internal';

import type { CheckSettings } from '../config/gateway-config.ts';
import { firstCheckMs, nextCheckMs, nextCheckState, unchecked, type CheckState } from './check-state.ts';
import type { ConcurrencyLimit } from './concurrency-limit.ts';
import type { Probe } from './probe.ts';

/** A service as the checks need it. */
export interface CheckedService {
  readonly service: string;
  readonly upstream: Pick<Upstream, 'checked'>;
  readonly instances: readonly Instance[];
  readonly checks: CheckSettings;
}

/** A change of an endpoint's verdict. */
export interface CheckChange {
  readonly service: string;
  readonly instance: Instance;
  readonly verdict: 'up' | 'down';
  /** Why it is `down`; empty otherwise. */
  readonly reason: string;
}

/** The verdict about an endpoint, and why it is `down` (empty otherwise). */
export interface EndpointCheck {
  readonly verdict: CheckVerdict;
  readonly reason: string;
}

/** What the checks need from outside. */
export interface ChecksOptions {
  readonly probe: Probe;
  /** Bounds the checks that run at a time; the caller stops it after the checks. */
  readonly limit: ConcurrencyLimit;
  readonly onChange: (news: CheckChange) => void;
  readonly random: () => number;
}

/** The gateway's own checks of every endpoint of the services that want them, each at its interval. Ends by `stop`. */
export interface Checks {
  /**
   * Applies the settings of a service. When its checks begin, all its instances are checked from now on; when they end or ask something
   * else, the verdicts are void.
   */
  configure(service: CheckedService): void;
  /** A new instance of a service. */
  add(service: string, instance: Instance): void;
  remove(service: string, instance: Instance): void;
  /** A newer record of the same registration. */
  renew(service: string, instance: Instance): void;
  /** By `endpointKey`. */
  status(service: string, key: string): EndpointCheck;
  /** No further checks; running ones are cancelled. */
  stop(): void;
}

/** A service under checks, with its endpoints by key. */
interface ServiceChecks {
  view: CheckedService;
  readonly endpoints: Map<string, EndpointChecks>;
}

export function createChecks(options: ChecksOptions): Checks {
  const services = new Map<string, ServiceChecks>();

  const end = (service: string): void => {
    for (const endpoint of services.get(service)?.endpoints.values() ?? []) endpoint.stop();
    services.delete(service);
  };
  const remove = (service: string, instance: Instance): void => {
    const endpoints = services.get(service)?.endpoints;
    const key = endpointKey(instance);
    endpoints?.get(key)?.stop();
    endpoints?.delete(key);
  };
  const add = (service: string, instance: Instance): void => {
    const known = services.get(service);
    if (known === undefined || instance.status === 'draining') return;
    remove(service, instance);
    known.endpoints.set(endpointKey(instance), new EndpointChecks(options, known, instance));
  };
  return {
    configure(view) {
      const { service, checks, instances } = view;
      const before = services.get(service);
      const ends = checks.kind === 'off' || instances.length === 0;
      if (before !== undefined && !ends && asksTheSame(before.view, view)) {
        const isFaster = checks.intervalMs < before.view.checks.intervalMs;
        before.view = view;
        if (isFaster) for (const endpoint of before.endpoints.values()) endpoint.hasten();
        return;
      }
      end(service);
      if (ends) return;
      services.set(service, { view, endpoints: new Map() });
      for (const instance of instances) add(service, instance);
    },
    add,
    remove,
    renew: (service, instance) => {
      services.get(service)?.endpoints.get(endpointKey(instance))?.renew(instance);
    },
    status: (service, key) =>
      services.get(service)?.endpoints.get(key)?.status ?? { verdict: 'unchecked', reason: '' },
    stop() {
      for (const service of [...services.keys()]) end(service);
    },
  };
}

/** Whether verdicts of one view hold for the other too. */
function asksTheSame(a: CheckedService, b: CheckedService): boolean {
  return a.upstream === b.upstream && a.checks.kind === b.checks.kind && a.checks.path === b.checks.path;
}

/** The checks of one endpoint. Owns its timer and its running probe until `stop`. */
class EndpointChecks {
  readonly #options: ChecksOptions;
  readonly #service: ServiceChecks;
  readonly #key: string;
  readonly #ending = new AbortController();
  #instance: Instance;
  #state: CheckState = unchecked;
  #reason = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ChecksOptions, service: ServiceChecks, instance: Instance) {
    this.#options = options;
    this.#service = service;
    this.#instance = instance;
    this.#key = endpointKey(instance);
    this.#schedule(firstCheckMs);
  }

  get status(): EndpointCheck {
    const { verdict } = this.#state;
    return { verdict, reason: verdict === 'down' ? this.#reason : '' };
  }

  renew(instance: Instance): void {
    this.#instance = instance;
  }

  /** The interval has become shorter: the next check need not wait for the end of the old one. */
  hasten(): void {
    if (this.#timer !== undefined) this.#schedule(firstCheckMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#ending.abort();
    if (this.#state !== unchecked) this.#service.view.upstream.checked(this.#key, 'unchecked');
  }

  #schedule(delayMs: (intervalMs: number, random: number) => number): void {
    clearTimeout(this.#timer);
    const inMs = delayMs(this.#service.view.checks.intervalMs, this.#options.random());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#options.limit.run(() => this.#check());
    }, inMs).unref();
  }

  async #check(): Promise<void> {
    const { signal } = this.#ending;
    const { kind, path, timeoutMs } = this.#service.view.checks;
    if (isOver(signal) || kind === 'off') return;
    const result = await this.#options.probe(this.#instance, { kind, path, timeoutMs }, signal);
    if (isOver(signal)) return;
    if (result.kind !== 'inconclusive') this.#count(result.kind === 'dead' ? result.reason : undefined);
    this.#schedule(nextCheckMs);
  }

  /** Counts a result; `failure` is undefined when the check passed. */
  #count(failure: string | undefined): void {
    const { service, upstream, checks } = this.#service.view;
    const before = this.#state.verdict;
    const { state, tell } = nextCheckState(checks, this.#state, failure === undefined);
    this.#state = state;
    if (failure !== undefined) this.#reason = failure;
    if (tell === undefined) return;
    upstream.checked(this.#key, tell);
    // An endpoint that was never `down` and passes is no news for a person.
    if (tell === 'down' || before === 'down')
      this.#options.onChange({ service, instance: this.#instance, verdict: tell, reason: failure ?? '' });
  }
}

/** An await may have lasted; the type checker doesn't know that the signal can have changed meanwhile. */
function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}
