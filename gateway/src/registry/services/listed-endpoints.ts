import { endpointKey, type Instance, type SnapshotChange } from '@roundhouse/agent-sdk/internal';

/** The keys of all endpoints that some service lists now; kept up with the changes, because gathering thousands anew takes long. */
export class ListedEndpoints {
  readonly #keys = new Set<string>();
  /** How often besides, for those that are listed more than once: an id may move from one service to another. */
  readonly #again = new Map<string, number>();

  /** Read it at once: it changes. */
  get keys(): ReadonlySet<string> {
    return this.#keys;
  }

  /** A service lists other instances than before. */
  follow({ added, removed, updated }: SnapshotChange): void {
    for (const instance of added) this.#add(instance);
    for (const pair of updated) {
      this.#add(pair.after);
      this.#remove(pair.before);
    }
    for (const instance of removed) this.#remove(instance);
  }

  #add(instance: Instance): void {
    const key = endpointKey(instance);
    if (this.#keys.has(key)) this.#again.set(key, (this.#again.get(key) ?? 0) + 1);
    else this.#keys.add(key);
  }

  #remove(instance: Instance): void {
    const key = endpointKey(instance);
    const again = this.#again.get(key);
    if (again === undefined) this.#keys.delete(key);
    else if (again > 1) this.#again.set(key, again - 1);
    else this.#again.delete(key);
  }
}
