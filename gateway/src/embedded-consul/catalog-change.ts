import type { ChangeListener, IndexBook } from './table-index.ts';

/**
 * One change of the catalog while it is being made: every record in it carries the same index, and it is announced only
 * when all of it is in place, so that no reader sees half of it.
 */
export interface CatalogChange {
  /** The change's index; drawn when first asked for, so that a change of nothing draws none. */
  index(): number;
  touchService(name: string): void;
  /** A check of the service with this name (undefined: of one that is gone) has changed. */
  touchCheck(serviceName: string | undefined): void;
  touchNodeCheck(serviceNames: Iterable<string>): void;
  /** Writes the indexes of what was touched, then tells who waits for it. `lives` says whether a service still has instances. */
  commit(lives: (serviceName: string) => boolean, onChange: ChangeListener): void;
}

/** Begins a change. */
export function createCatalogChange(indexes: IndexBook): CatalogChange {
  const services = new Set<string>();
  const checkedServices = new Set<string>();
  const tables = { services: false, checks: false };
  let drawn: number | undefined;

  const index = (): number => (drawn ??= indexes.next());

  return {
    index,
    touchService(name) {
      tables.services = true;
      services.add(name);
    },
    touchCheck(serviceName) {
      tables.checks = true;
      if (serviceName === undefined) return;
      services.add(serviceName);
      checkedServices.add(serviceName);
    },
    touchNodeCheck(serviceNames) {
      tables.checks = true;
      for (const name of serviceNames) services.add(name);
    },
    commit(lives, onChange) {
      for (const name of services) {
        if (lives(name)) indexes.touchService(name, index());
        else indexes.extinguish(name, index());
      }
      if (tables.services) indexes.touchTable('services', index());
      if (tables.checks) indexes.touchTable('checks', index());
      for (const name of services) onChange(`service:${name}`);
      for (const name of checkedServices) onChange(`service-checks:${name}`);
      if (tables.services) onChange('services');
      if (tables.checks) onChange('checks');
    },
  };
}
