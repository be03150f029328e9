import type { Catalog, HoldPolicy, Notice } from '@roundhouse/agent-sdk/internal';

import type { Listeners } from '../registry-listener.ts';
import type { RegistrySource } from './registry-source.ts';
import { combinedWatchState, nextWatchState, type WatchState } from './watch-state.ts';

export interface CatalogsOptions {
  readonly sources: readonly RegistrySource[];
  readonly holdPolicy: () => HoldPolicy;
  readonly listeners: Listeners;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** Which services the sources know, all together. */
export class Catalogs {
  readonly #options: CatalogsOptions;
  readonly #states = new Map<RegistrySource, WatchState>();
  readonly #answers = new Map<RegistrySource, Catalog>();

  constructor(options: CatalogsOptions) {
    this.#options = options;
    for (const source of options.sources) this.#states.set(source, { kind: 'syncing' });
  }

  get watch(): WatchState {
    return this.#states.size === 0 ? { kind: 'live' } : combinedWatchState([...this.#states.values()]);
  }

  /** Whether every source has answered, or something was adopted in its place. */
  get areComplete(): boolean {
    return this.#answers.size === this.#states.size;
  }

  /** Names that can't be believed, and so are not followed. */
  get refused(): readonly string[] {
    return [...new Set([...this.#answers.values()].flatMap(({ refused = [] }) => refused))];
  }

  /** All catalogs as one; undefined before all have answered. */
  get catalog(): Catalog | undefined {
    const [first, ...others] = this.areComplete ? this.#answers.values() : [];
    if (first === undefined || others.length === 0) return first;
    const services = Object.create(null) as Record<string, readonly string[]>;
    for (const name of [...this.services()].sort()) {
      const tags = [first, ...others].flatMap((catalog) => tagsOf(catalog, name));
      services[name] = [...new Set(tags)].sort();
    }
    return { index: first.index, services };
  }

  /** The names of services of which the tags fulfil the condition; without one, of all. */
  services(condition?: (tags: readonly string[]) => boolean): ReadonlySet<string> {
    const names = new Set<string>();
    for (const catalog of this.#answers.values()) {
      for (const name of Object.keys(catalog.services))
        if (condition === undefined || condition(tagsOf(catalog, name))) names.add(name);
      // Nobody knows what their tags say; their instances will.
      for (const name of catalog.unread ?? []) names.add(name);
    }
    return names;
  }

  has(service: string): boolean {
    return [...this.#answers.values()].some(({ services }) => Object.hasOwn(services, service));
  }

  /** Stands for the catalogs of the sources that have not answered yet. */
  adopt(saved: Catalog): void {
    for (const source of this.#states.keys())
      if (!this.#answers.has(source)) this.#answers.set(source, saved);
  }

  /** What an operator should know about the way to the sources, now. */
  get notices(): readonly Notice[] {
    return [...this.#states.keys()].flatMap(({ notices }) => notices?.current ?? []);
  }

  /** Follows all catalogs until the signal aborts; calls back after each event. */
  async run(signal: AbortSignal, onEvent: () => void): Promise<void> {
    const { holdPolicy, listeners, now } = this.#options;
    const follow = async (source: RegistrySource): Promise<void> => {
      for await (const event of source.watchCatalog({ signal, holdPolicy })) {
        const before = this.#states.get(source) ?? { kind: 'syncing' };
        const subject = { of: 'catalog', source: source.name };
        const { state, news } = nextWatchState(subject, before, event, now());
        this.#states.set(source, state);
        const known = new Set(this.refused);
        if (event.kind === 'value') this.#answers.set(source, event.value);
        const refused = this.refused.filter((name) => !known.has(name));
        if (refused.length > 0) listeners.tell('servicesRefused', refused);
        if (news !== undefined) listeners.tell('watchChanged', news);
        onEvent();
      }
    };
    const sources = [...this.#states.keys()];
    const forget = sources.map(({ notices }) =>
      notices?.onRaise((notice) => {
        listeners.tell('noticed', notice);
      }),
    );
    await Promise.all(sources.map(follow));
    for (const end of forget) end?.();
  }
}

function tagsOf({ services }: Catalog, name: string): readonly string[] {
  return Object.hasOwn(services, name) ? (services[name] ?? []) : [];
}
