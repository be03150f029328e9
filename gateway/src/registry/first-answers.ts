import type { ServiceRuntime } from './services/service-runtime.ts';
import type { ServiceInput } from './services/service-state.ts';
import type { Catalogs } from './sources/catalogs.ts';
import type { RegistrySource } from './sources/registry-source.ts';
import type { SourceWatches } from './sources/source-watches.ts';

/** After so many failed reads of one service, while its catalog can be read, the rest does not wait for it any more. */
const patience = 3;

/** What the sources have not said yet since the start. */
export class FirstAnswers {
  readonly #sources: readonly RegistrySource[];
  readonly #catalogs: Catalogs;
  readonly #watches: SourceWatches;
  readonly #services: ReadonlyMap<string, ServiceRuntime>;

  constructor(
    sources: readonly RegistrySource[],
    catalogs: Catalogs,
    watches: SourceWatches,
    services: ReadonlyMap<string, ServiceRuntime>,
  ) {
    this.#sources = sources;
    this.#catalogs = catalogs;
    this.#watches = watches;
    this.#services = services;
  }

  /** Whether a service is followed and a source has said nothing about it yet, not even that it can't be reached. */
  readonly isUntold = (name: string): boolean => {
    const inputs = this.#services.get(name)?.state.inputs;
    return this.#watches.has(name) && !this.#sources.every((source) => inputs?.has(source.name));
  };

  /** Whether every catalog and every service has answered, or could not. */
  readonly areIn = (): boolean =>
    this.#catalogs.watch.kind === 'live' && ![...this.#services.keys()].some(this.isUntold);

  /** Whether all claims are known: every catalog is, and each service that it names. A saved table counts. */
  readonly areClaimsKnown = (): boolean =>
    this.#catalogs.areComplete && !this.waitingFor().some((name) => this.#catalogs.has(name));

  /** Followed services of which no source has listed the instances yet, and not because they alone can't be read. */
  waitingFor(): readonly string[] {
    const isCatalogLive = this.#catalogs.watch.kind === 'live';
    return [...this.#services].flatMap(([name, { state }]) => {
      const gaveUp = [...state.inputs.values()].some((input) => isCatalogLive && isUnreadable(input));
      return state.snapshot === undefined && !gaveUp ? name : [];
    });
  }
}

function isUnreadable({ watch }: ServiceInput): boolean {
  if (watch.kind !== 'stale') return false;
  const { failure, attempt } = watch;
  return failure === 'forbidden' || failure === 'malformed' || failure === 'rejected' || attempt >= patience;
}
