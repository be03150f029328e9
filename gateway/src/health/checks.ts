import { endpointKey, type Instance, type Upstream, type CheckVerdict } from '@roundhouse/agent-sdk/internal';

import type { CheckSettings } from '../config/gateway-config.ts';
import { firstCheckMs, judgeCheck, nextCheckMs, unchecked, type CheckState } from './check-judge.ts';
import type { ConcurrencyLimit } from './concurrency-limit.ts';
import type { EndpointChanges } from './endpoint-changes.ts';
import type { Probe } from './probe.ts';

/** A service as the checks need it: a view of now. */
export interface CheckedService {
  readonly service: string;
  readonly upstream: Pick<Upstream, 'checked'>;
  readonly instances: readonly Instance[];
  readonly checks: CheckSettings;
}

/** An endpoint is judged differently than before. */
export interface CheckNews {
  readonly service: string;
  readonly instance: Instance;
  readonly verdict: 'up' | 'down';
  /** Why, when it is `down`. */
  readonly reason: string;
}

/** How an endpoint is judged, and why when it is `down`. */
export interface CheckOpinion {
  readonly verdict: CheckVerdict;
  readonly reason: string;
}

/** What the checks need from outside. */
export interface ChecksOptions {
  readonly probe: Probe;
  /** Bounds the checks that run at a time; the caller ends it after the checks. */
  readonly limit: ConcurrencyLimit;
  readonly onNews: (news: CheckNews) => void;
  readonly random: () => number;
}

/** The gateway's own checks of every endpoint of the services that want them, each at its interval. Ends by `stop`. */
export interface Checks {
  /** The service as it is now, and what has changed since the last call: new endpoints are checked, those that are gone no longer. */
  follow(service: CheckedService, changes: EndpointChanges): void;
  /** The service is gone, or its checks are off. */
  forget(service: string): void;
  /** By `endpointKey`. */
  opinion(service: string, key: string): CheckOpinion;
  /** No further checks; those under way are given up. */
  stop(): void;
}

export function createChecks(options: ChecksOptions): Checks {
  return new ChecksState(options);
}

/** A service under checks, with its endpoints by key. */
interface Followed {
  view: CheckedService;
  readonly watched: Map<string, Watched>;
}

class ChecksState implements Checks {
  readonly #options: ChecksOptions;
  readonly #services = new Map<string, Followed>();

  constructor(options: ChecksOptions) {
    this.#options = options;
  }

  follow(view: CheckedService, changes: EndpointChanges): void {
    const { service, checks, instances } = view;
    const before = this.#services.get(service);
    if (before !== undefined && !sameQuestion(before.view, view)) this.forget(service);
    if (checks.kind === 'off') return;
    const known = this.#services.get(service);
    if (known === undefined) {
      const followed: Followed = { view, watched: new Map() };
      this.#services.set(service, followed);
      for (const instance of instances) if (instance.status !== 'draining') this.#watch(followed, instance);
      return;
    }
    const hastened = checks.intervalMs < known.view.checks.intervalMs;
    known.view = view;
    for (const instance of changes.gone) {
      const key = endpointKey(instance);
      known.watched.get(key)?.stop();
      known.watched.delete(key);
    }
    for (const instance of changes.renewed) known.watched.get(endpointKey(instance))?.renew(instance);
    if (hastened) for (const watched of known.watched.values()) watched.hasten();
    for (const instance of changes.appeared) this.#watch(known, instance);
  }

  forget(service: string): void {
    for (const watched of this.#services.get(service)?.watched.values() ?? []) watched.stop();
    this.#services.delete(service);
  }

  opinion(service: string, key: string): CheckOpinion {
    return this.#services.get(service)?.watched.get(key)?.opinion ?? { verdict: 'unchecked', reason: '' };
  }

  stop(): void {
    for (const service of [...this.#services.keys()]) this.forget(service);
  }

  #watch(followed: Followed, instance: Instance): void {
    const key = endpointKey(instance);
    followed.watched.get(key)?.stop();
    followed.watched.set(key, new Watched(this.#options, followed, instance));
  }
}

/** Whether what was found out for one view holds for the other too. */
function sameQuestion(a: CheckedService, b: CheckedService): boolean {
  return a.upstream === b.upstream && a.checks.kind === b.checks.kind && a.checks.path === b.checks.path;
}

/** One endpoint under checks. Owns its timer and the probe under way until `stop`. */
class Watched {
  readonly #options: ChecksOptions;
  readonly #followed: Followed;
  readonly #key: string;
  readonly #ending = new AbortController();
  #instance: Instance;
  #state: CheckState = unchecked;
  #reason = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ChecksOptions, followed: Followed, instance: Instance) {
    this.#options = options;
    this.#followed = followed;
    this.#instance = instance;
    this.#key = endpointKey(instance);
    this.#schedule(firstCheckMs(followed.view.checks.intervalMs, options.random()));
  }

  get opinion(): CheckOpinion {
    const { verdict } = this.#state;
    return { verdict, reason: verdict === 'down' ? this.#reason : '' };
  }

  renew(instance: Instance): void {
    this.#instance = instance;
  }

  /** The interval has become shorter: don't wait for the end of the old one. */
  hasten(): void {
    if (this.#timer === undefined) return;
    this.#schedule(firstCheckMs(this.#followed.view.checks.intervalMs, this.#options.random()));
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#ending.abort();
    if (this.#state !== unchecked) this.#followed.view.upstream.checked(this.#key, 'unchecked');
  }

  #schedule(inMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#options.limit.run(() => this.#check());
    }, inMs).unref();
  }

  async #check(): Promise<void> {
    const { signal } = this.#ending;
    const { kind, path, timeoutMs } = this.#followed.view.checks;
    if (isOver(signal) || kind === 'off') return;
    const result = await this.#options.probe(this.#instance, { kind, path, timeoutMs }, signal);
    if (isOver(signal)) return;
    if (result.kind === 'alive') this.#judge('good', '');
    else if (result.kind === 'dead') this.#judge('bad', result.reason);
    this.#schedule(nextCheckMs(this.#followed.view.checks.intervalMs, this.#options.random()));
  }

  #judge(result: 'good' | 'bad', reason: string): void {
    const { service, upstream, checks } = this.#followed.view;
    const before = this.#state.verdict;
    const { state, tell } = judgeCheck(checks, this.#state, result);
    this.#state = state;
    if (result === 'bad') this.#reason = reason;
    if (tell === undefined) return;
    upstream.checked(this.#key, tell);
    // That a new instance is well, or that one which never was down is, is no news for a person.
    if (tell === 'down' || before === 'down')
      this.#options.onNews({ service, instance: this.#instance, verdict: tell, reason });
  }
}

/** An await may have lasted; the checker doesn't know that the signal can have changed meanwhile. */
function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}
