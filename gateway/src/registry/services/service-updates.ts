import type { Snapshot } from '@roundhouse/agent-sdk/internal';

import type { Listeners } from '../registry-listener.ts';
import type { RouteTables } from '../table/route-tables.ts';
import { sameClaims } from './claims.ts';
import { ListedEndpoints } from './listed-endpoints.ts';
import type { ServiceRuntime } from './service-runtime.ts';
import type { ServiceStateEvent, ServiceUpdate } from './service-state.ts';

/** Applies events to services and passes the results on: to the table at once or by turns, then to the listeners. */
export class ServiceUpdates {
  readonly #tables: RouteTables;
  readonly #listeners: Listeners;
  readonly #afterwards: (service: ServiceRuntime) => void;
  /** Updates of which listeners have not been told yet. */
  readonly #pending = new Map<ServiceRuntime, ServiceUpdate[]>();
  readonly listed = new ListedEndpoints();

  /** `afterwards`: called when the listeners have been told. */
  constructor(tables: RouteTables, listeners: Listeners, afterwards: (service: ServiceRuntime) => void) {
    this.#tables = tables;
    this.#listeners = listeners;
    this.#afterwards = afterwards;
  }

  /** Brings up to date what balancing and pools go by; everything else follows in {@link ServiceUpdates.emit}. */
  take(service: ServiceRuntime, event: ServiceStateEvent): ServiceUpdate | undefined {
    const update = service.apply(event);
    if (update === undefined) return undefined;
    this.listed.follow(update.instances);
    this.#pending.set(service, [...(this.#pending.get(service) ?? []), update]);
    return update;
  }

  /** Applies an event and tells the listeners. */
  apply(service: ServiceRuntime, event: ServiceStateEvent): void {
    this.take(service, event);
    this.emit(service);
  }

  /** Reads what is claimed now, has the table made anew if that matters, and tells the listeners. */
  emit(service: ServiceRuntime): void {
    const updates = this.#pending.get(service);
    if (updates === undefined) return;
    this.#pending.delete(service);
    const tables = this.#tables;
    const { service: name } = service.state;
    const claimsBefore = service.readClaims();
    const { claims } = service;
    const isSameClaims = sameClaims(claims, claimsBefore);
    const matters = ({ instances: { before, after }, settings }: ServiceUpdate): boolean =>
      // A built-in route comes with the first instance of its service, and is only remembered after the last.
      settings !== undefined || before === undefined || isEmpty(before) || isEmpty(after);
    const isContested = tables.ownership.contested.has(name);
    if (isContested || !isSameClaims || updates.some(matters)) tables.request();
    // Not by turns: the upstream has the instance already, and this happens once.
    if (tables.ownership.unseen.has(name)) tables.flush();
    const known = new Set(claimsBefore.invalid.map(({ invalid }) => invalid));
    const newTags = isSameClaims ? [] : claims.invalid.filter(({ invalid }) => !known.has(invalid));
    const routes = tables.routesOf(name);
    updates.forEach((update, index) => {
      const { heldBecause } = update.instances.after;
      const invalidTags = index === 0 ? newTags : [];
      this.#listeners.tell('serviceChanged', { service: name, ...update, routes, heldBecause, invalidTags });
    });
    this.#afterwards(service);
  }
}

function isEmpty({ instances }: Snapshot): boolean {
  return instances.length === 0;
}
