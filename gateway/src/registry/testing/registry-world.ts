import {
  type Catalog,
  compareSnapshots,
  type HeldProbe,
  type Instance,
  type Snapshot,
  type SnapshotChange,
  type WatchEvent,
} from '@roundhouse/agent-sdk/internal';
import { onTestFinished } from 'vitest';

import { instance as anInstance } from '../../../../test/kit/builders.ts';
import { defaults } from '../../config/defaults.ts';
import type { RouteConfig, ServiceConfig } from '../../config/gateway-config.ts';
import { createAddressPolicy } from '../addresses/address-policy.ts';
import type { RegistryConfig } from '../configured-services.ts';
import { Registry, type RegistryOptions } from '../registry.ts';
import type { InstancesLetGo, ServiceChange, TableChange } from '../registry-listener.ts';
import type { RegistrySource } from '../sources/registry-source.ts';
import type { WatchNews } from '../sources/watch-state.ts';

interface Channel<T> {
  push(value: T): void;
  readonly stream: AsyncIterable<T>;
  readonly signal: AbortSignal;
}

/** An async iterable that a test pushes into; ends with its signal. */
function channel<T>(signal: AbortSignal): Channel<T> {
  const queue: T[] = [];
  let wake: () => void = () => undefined;
  signal.addEventListener('abort', () => {
    wake();
  });
  async function* iterate(): AsyncGenerator<T> {
    while (!signal.aborted) {
      const next = queue.shift();
      if (next !== undefined) {
        yield next;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }
  return {
    push(value: T) {
      queue.push(value);
      wake();
    },
    stream: iterate(),
    signal,
  };
}

/** Lets what has been pushed arrive. */
export const turn = (): Promise<void> => new Promise<void>((resolve) => setImmediate(resolve));

/** A passing instance of the source `c`. */
export const instance = (
  service: string,
  id: string,
  tags: string[],
  more: Partial<Instance> = {},
): Instance => anInstance(id, { service, tags, ...more });

/** The instance that the next request to a path gets. */
export function leased(registry: Registry, path: string, tag?: string): Instance | undefined {
  const lease = registry.resolve('h', path)?.upstream.acquire({ tag, tried: [] });
  return typeof lease === 'object' ? lease.endpoint.instance : undefined;
}

/** Goes over to another configuration. */
export async function reconfigure(registry: Registry, config: RegistryConfig): Promise<void> {
  (await registry.provision(config)).swap();
}

/** What a test sets otherwise. */
export interface More extends Partial<Omit<RegistryOptions, 'sources'>> {
  readonly probe?: HeldProbe;
  /** Sources beside the one that the test feeds. */
  readonly others?: readonly RegistrySource[];
}

/** What listeners have heard, as it came. */
interface Heard {
  readonly services: readonly ServiceChange[];
  readonly tables: readonly TableChange[];
  readonly watches: readonly WatchNews[];
  readonly letGo: readonly InstancesLetGo[];
  readonly adopted: readonly { readonly services: readonly string[]; readonly ageMs: number }[];
}

/** See {@link setUp}. What is pushed has arrived when the promises resolve. */
export interface RegistryWorld extends Heard {
  readonly registry: Registry;
  readonly config: RegistryConfig;
  /** The watches of the source, by service. */
  readonly feeds: ReadonlyMap<string, Channel<WatchEvent<SnapshotChange>>>;
  readonly seeds: ReadonlyMap<string, Snapshot | undefined>;
  stop(): Promise<void>;
  catalog(services: Record<string, string[]>): Promise<void>;
  /** The catalog can't be read. */
  stale(): Promise<void>;
  snapshot(service: string, ...instances: Instance[]): Promise<void>;
  /** The registry no longer lists these, and the watch holds them. */
  held(service: string, ...instances: Instance[]): Promise<void>;
}

/** A running registry with one source, `c`, that the test feeds; it ends with the test. */
export function setUp(
  routes: readonly RouteConfig[] = defaults.routes,
  services: readonly ServiceConfig[] = [],
  { probe, others = [], ...more }: More = {},
): RegistryWorld {
  const feeds = new Map<string, Channel<WatchEvent<SnapshotChange>>>();
  const last = new Map<string, Snapshot>();
  const seeds = new Map<string, Snapshot | undefined>();
  let nowMs = 0;
  const abort = new AbortController();
  const catalog = channel<WatchEvent<Catalog>>(abort.signal);
  const config = { ...defaults, routes, services };
  const registry = new Registry({
    config,
    sources: [
      {
        name: 'c',
        trust: 'registry',
        watchService(service, { signal, seed }) {
          const feed = channel<WatchEvent<SnapshotChange>>(signal);
          last.delete(service);
          if (seed !== undefined) last.set(service, seed);
          feeds.set(service, feed);
          seeds.set(service, seed);
          return feed.stream;
        },
        watchCatalog: () => catalog.stream,
      },
      ...others,
    ],
    addressPolicy: (rules, listeners) =>
      createAddressPolicy({ rules, listeners, consul: undefined, localAddresses: [] }),
    // Every look at the clock is a second later, so that no table has to wait.
    now: () => (nowMs += 1_000),
    random: () => 0,
    ...more,
  });
  const heard = listenTo(registry);
  const give = (after: Snapshot): void => {
    const feed = feeds.get(after.service);
    if (feed === undefined) throw new Error(`${after.service} is not watched`);
    const change = compareSnapshots(last.get(after.service), after);
    last.set(after.service, change.after);
    feed.push({ kind: 'value', value: change });
  };
  const running = registry.run(abort.signal, probe);
  onTestFinished(async () => {
    abort.abort();
    await running;
  });
  return {
    registry,
    config,
    ...heard,
    feeds,
    seeds,
    stop: () => {
      abort.abort();
      return running;
    },
    async catalog(services: Record<string, string[]>) {
      catalog.push({ kind: 'value', value: { index: '1', services } });
      await turn();
      await turn();
    },
    async stale() {
      catalog.push({
        kind: 'stale',
        attempt: 1,
        failure: 'unreachable',
        message: 'no Consul',
        retryInMs: 250,
      });
      await turn();
    },
    async snapshot(service: string, ...instances: Instance[]) {
      give({ service, index: '1', instances, quarantined: [], held: [] });
      await turn();
      await turn();
    },
    async held(service: string, ...instances: Instance[]) {
      const held = instances.map(({ key }) => key);
      give({ service, index: '2', instances, quarantined: [], held, heldBecause: 'removal' });
      await turn();
    },
  };
}

function listenTo(registry: Registry): Heard {
  const services: ServiceChange[] = [];
  const tables: TableChange[] = [];
  const watches: WatchNews[] = [];
  const letGo: InstancesLetGo[] = [];
  const adopted: Heard['adopted'][number][] = [];
  registry.subscribe({
    serviceChanged: (change) => services.push(change),
    tableChanged: (change) => tables.push(change),
    watchChanged: (news) => watches.push(news),
    instancesLetGo: (event) => letGo.push(event),
    savedTableAdopted: (names, ageMs) => adopted.push({ services: names, ageMs }),
  });
  return { services, tables, watches, letGo, adopted };
}
