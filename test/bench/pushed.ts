/** Values handed in by `push`, in order, to one consumer. */
export interface Pushed<T> {
  push(value: T): void;
  /** Yields what was pushed and waits for more until the signal aborts. */
  until(signal: AbortSignal): AsyncIterable<T>;
}

/** A queue from a caller to a `for await`. */
export function createPushed<T>(): Pushed<T> {
  const values: T[] = [];
  let wake: () => void = () => undefined;
  return {
    push(value) {
      values.push(value);
      wake();
    },
    async *until(signal) {
      const aborted = (): boolean => signal.aborted;
      signal.addEventListener('abort', () => {
        wake();
      });
      while (!aborted()) {
        const value = values.shift();
        if (value !== undefined) {
          yield value;
          continue;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
