/** Things that end together, the last one first. `AsyncDisposableStack` for Node 20. */
export interface Disposal extends AsyncDisposable {
  use<T extends AsyncDisposable | Disposable>(thing: T): T;
}

/** Ends everything even when an end fails; rejects with the first failure. */
export function createDisposal(): Disposal {
  const things: (AsyncDisposable | Disposable)[] = [];
  return {
    use(thing) {
      things.push(thing);
      return thing;
    },
    async [Symbol.asyncDispose]() {
      const failures: unknown[] = [];
      for (const thing of things.splice(0).toReversed()) {
        try {
          if (Symbol.asyncDispose in thing) await thing[Symbol.asyncDispose]();
          else thing[Symbol.dispose]();
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}
