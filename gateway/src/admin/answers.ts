import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';

/** Answers that may be large: made in slices between other work, once for all who ask meanwhile, and kept in proportion to their cost. */
export interface Answers {
  /** The answer of this name, from the texts that `make` gives one by one. */
  text(name: string, make: () => Iterable<string>): Promise<Buffer>;
  /** Calls `make` once for all who ask before it has settled. */
  shared(name: string, make: () => Promise<string>): Promise<string>;
  /** What is kept is out of date. */
  forget(): void;
}

/** How long the making of an answer may keep other work waiting. */
const sliceMs = 1;
/** What took less is made again for each who asks: it is up to date then. */
const cheapMs = 5;
/** An answer is kept for so many times as long as it took to make: a twentieth of the process, however many ask. */
const keepFactor = 20;

/** How fast large answers go out, all readers together: they take time to send as well. */
const bytesPerMs = 32_000;
/** What is smaller goes at once. */
const largeBytes = 65_536;

interface Kept {
  readonly bytes: Buffer;
  readonly untilMs: number;
}

/** See {@link Answers}. `now`: monotonic milliseconds. Nothing has to be stopped: what is asked for ends by itself. */
export function createAnswers(
  now: () => number,
  sleep: (ms: number) => Promise<unknown> = (ms) => pause(ms, undefined, { ref: false }),
): Answers {
  /** When the next large answer may go. */
  let freeMs = 0;
  const kept = new Map<string, Kept>();
  const making = new Map<string, Promise<unknown>>();

  const once = <T>(name: string, make: () => Promise<T>): Promise<T> => {
    const running = making.get(name);
    // The name says what its answer is.
    if (running !== undefined) return running as Promise<T>;
    const made = make().finally(() => {
      making.delete(name);
    });
    making.set(name, made);
    return made;
  };
  const build = async (name: string, make: () => Iterable<string>): Promise<Buffer> => {
    const { bytes, costMs } = await inSlices(make(), now);
    if (costMs >= cheapMs) kept.set(name, { bytes, untilMs: now() + costMs * keepFactor });
    return bytes;
  };
  const itsTurn = async ({ length }: Buffer): Promise<void> => {
    if (length < largeBytes) return;
    const waitMs = freeMs - now();
    freeMs = Math.max(freeMs, now()) + length / bytesPerMs;
    if (waitMs > 0) await sleep(waitMs);
  };
  return {
    text: async (name, make) => {
      for (const [other, { untilMs }] of kept) if (now() >= untilMs) kept.delete(other);
      const bytes = kept.get(name)?.bytes ?? (await once(`${name} text`, () => build(name, make)));
      await itsTurn(bytes);
      return bytes;
    },
    shared: (name, make) => once(name, make),
    forget: () => {
      kept.clear();
    },
  };
}

async function inSlices(
  texts: Iterable<string>,
  now: () => number,
): Promise<{ readonly bytes: Buffer; readonly costMs: number }> {
  const slices: Buffer[] = [];
  let costMs = 0;
  let slice: string[] = [];
  let startedMs = now();
  for (const text of texts) {
    slice.push(text);
    if (now() - startedMs < sliceMs) continue;
    slices.push(Buffer.from(slice.join('')));
    slice = [];
    costMs += now() - startedMs;
    await turn();
    startedMs = now();
  }
  slices.push(Buffer.from(slice.join('')));
  const bytes = Buffer.concat(slices);
  return { bytes, costMs: costMs + now() - startedMs };
}

/** A JSON object of `fields` and of lists whose items are made when they are come to. */
export function* jsonTexts(
  fields: object,
  lists: Readonly<Record<string, Iterable<unknown>>>,
): Generator<string> {
  const head = JSON.stringify(fields).slice(0, -1);
  yield head;
  let before = head === '{' ? '' : ',';
  for (const [name, items] of Object.entries(lists)) {
    yield `${before}${JSON.stringify(name)}:[`;
    before = ',';
    let comma = '';
    for (const item of items) {
      yield comma + JSON.stringify(item);
      comma = ',';
    }
    yield ']';
  }
  yield '}';
}
