import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

import { backoffMs } from './backoff.ts';
import { stepIndex } from './consul-index.ts';
import type { IndexStep } from './consul-index.ts';
import type { Hold, Holdable, Suspicion } from './hold.ts';
import { holdableCatalog, holdableSnapshot, weighAnswer } from './hold.ts';
import type { Catalog, Snapshot } from './instance.ts';
import { createWatchPace } from './rate-limit.ts';
import type { AnswerPace } from './rate-limit.ts';
import type { ReadAnswer, ReadOptions, RegistryClient } from './registry-client.ts';
import { RegistryError } from './registry-client.ts';
import { catalogFromAnswer, sameCatalog, sameSnapshot, snapshotFromAnswer } from './snapshot.ts';
import type { WatchEvent } from './watch-event.ts';

export interface WatchOptions {
  /** Ends the iteration, also in mid-request and in mid-pause. */
  readonly signal: AbortSignal;
  /** How long the agent may hold a read. Default 60 s; Consul takes up to 600 s. */
  readonly waitMs?: number;
  /** How long what a suspicious answer took away is kept; see `Snapshot.held`. Default 30 s; 0 believes everything at once. */
  readonly holdMs?: number;
  /** The operator's name for the registry: first part of every `Instance.key`. Default `default`. */
  readonly cluster?: string;
  /** Monotonic ms. Default `performance.now`. */
  readonly now?: () => number;
  /** In [0, 1). Default `Math.random`. */
  readonly random?: () => number;
  /** Waits; may reject or resolve early when the signal aborts. Default: a timer. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

/**
 * Follows one service for as long as it is iterated: a value at first and whenever the content differs, `stale` for each failed
 * attempt, `live` when it goes on unchanged. It never gives up and never throws; it ends when the signal aborts or the iteration is
 * left, and then no request and no timer is left either. Each iteration is a watch of its own.
 */
export function watchService(
  client: RegistryClient,
  service: string,
  options: WatchOptions,
): AsyncIterable<WatchEvent<Snapshot>> {
  const context = { service, cluster: options.cluster ?? 'default' };
  return watch(
    {
      read: (read) => client.serviceHealth(service, read),
      decode: (answer) => snapshotFromAnswer(answer, context),
      same: sameSnapshot,
      holdable: holdableSnapshot,
    },
    options,
  );
}

/** Follows the catalog: every service name with its tags. As {@link watchService} in everything else. */
export function watchCatalog(
  client: RegistryClient,
  options: WatchOptions,
): AsyncIterable<WatchEvent<Catalog>> {
  return watch(
    {
      read: (read) => client.catalogServices(read),
      decode: catalogFromAnswer,
      same: sameCatalog,
      holdable: holdableCatalog,
    },
    options,
  );
}

/** What is followed, and how its answers are understood. */
interface Source<T, Item> {
  read(options: ReadOptions): Promise<ReadAnswer>;
  /** Throws `RegistryError('malformed')`. */
  decode(answer: ReadAnswer): T;
  same(a: T, b: T): boolean;
  readonly holdable: Holdable<T, Item>;
}

/** Gives each iteration its own end, so that leaving it also cancels a read that is under way. */
function watch<T, Item>(source: Source<T, Item>, options: WatchOptions): AsyncIterable<WatchEvent<T>> {
  return {
    [Symbol.asyncIterator]() {
      const end = new AbortController();
      const stop = (): void => {
        end.abort(options.signal.reason);
      };
      // Hundreds of watches share one signal; that is no leak.
      setMaxListeners(0, options.signal);
      options.signal.addEventListener('abort', stop, { once: true });
      if (options.signal.aborted) stop();
      const events = follow(source, options, end.signal);
      const finish = (): void => {
        options.signal.removeEventListener('abort', stop);
        end.abort();
      };
      return {
        async next() {
          const result = await events.next();
          if (result.done === true) finish();
          return result;
        },
        async return() {
          finish();
          return events.return(undefined);
        },
      };
    },
  };
}

/** The loop of Consul's blocking queries, with what it has to be careful about. Reads only when it is asked for the next event. */
async function* follow<T, Item>(
  source: Source<T, Item>,
  options: WatchOptions,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent<T>, undefined, undefined> {
  const { waitMs = 60_000, holdMs = 30_000, now = () => performance.now(), random = Math.random } = options;
  const sleep = quietly(options.sleep ?? ((ms, until) => delay(ms, undefined, { signal: until })));
  const pace = createWatchPace();
  let believed: T | undefined;
  let hold: Hold<Item> | undefined;
  let index = '0';
  let failures = 0;
  let filtered = false;

  const ended = (): boolean => signal.aborted;

  while (!ended()) {
    const startedMs = now();
    // When a hold runs out, a fresh read decides; until then nothing may block for longer than it lasts.
    const holdLeftMs = hold === undefined ? Infinity : hold.untilMs - startedMs;
    const asked = holdLeftMs <= 0 ? '0' : index;
    const blockMs = Math.ceil(Math.min(waitMs, Math.max(1, holdLeftMs)));
    const result = await attempt(source, { signal, index: asked, waitMs: blockMs });
    if (ended()) return;

    if ('error' in result) {
      index = '0';
      failures += 1;
      const retryInMs = backoffMs(failures, random());
      const { failure, message } = result.error;
      yield { kind: 'stale', attempt: failures, failure, message, retryInMs };
      await sleep(retryInMs, signal);
      continue;
    }

    const step = stepIndex(asked, result.answer.index);
    const suspicion = suspect(result.answer, step, { failures, filtered });
    const belief = weighAnswer(source.holdable, {
      believed,
      answer: result.value,
      suspicion,
      hold,
      nowMs: now(),
      holdMs,
    });
    const changed = believed === undefined || !source.same(believed, belief.value);
    const recovered = failures > 0;
    index = step.next;
    hold = belief.hold;
    failures = 0;
    filtered = result.answer.filteredByAcl;
    const elapsedMs = now() - startedMs;
    const idle = asked !== '0' && elapsedMs >= blockMs * 0.9;
    const pauseMs = pace.after(
      answerPace({ changed, idle, recovered, followable: step.kind !== 'none' }, elapsedMs),
      now(),
    );

    if (changed) {
      believed = belief.value;
      yield { kind: 'value', value: belief.value };
    } else if (recovered) {
      yield { kind: 'live' };
    }
    if (pauseMs > 0) await sleep(pauseMs, signal);
  }
}

interface AnswerFacts {
  readonly changed: boolean;
  readonly idle: boolean;
  readonly recovered: boolean;
  /** Whether the next read can block. */
  readonly followable: boolean;
}

function answerPace({ changed, idle, recovered, followable }: AnswerFacts, elapsedMs: number): AnswerPace {
  if (changed) return { kind: 'changed' };
  if (idle) return { kind: 'idle' };
  return recovered && followable ? { kind: 'recovered' } : { kind: 'early', elapsedMs };
}

type Attempt<T> = { readonly answer: ReadAnswer; readonly value: T } | { readonly error: RegistryError };

async function attempt<T, Item>(source: Source<T, Item>, read: ReadOptions): Promise<Attempt<T>> {
  try {
    const answer = await source.read(read);
    return { answer, value: source.decode(answer) };
  } catch (error) {
    if (error instanceof RegistryError) return { error };
    // An abort, which the caller sees by its signal; or a mistake of ours, which must not end the watch either.
    return {
      error: new RegistryError('malformed', `Reading the registry failed: ${String(error)}`, {
        cause: error,
      }),
    };
  }
}

/** How far an answer can be believed when it lists less than before. */
function suspect(
  answer: ReadAnswer,
  step: IndexStep,
  before: { readonly failures: number; readonly filtered: boolean },
): Suspicion {
  if (before.failures > 0 || answer.knownLeader === false) return 'trouble';
  // The same index with other content means that not the registry changed, but what we may see of it.
  if (step.kind === 'backwards' || step.kind === 'same') return 'doubt';
  return answer.filteredByAcl && !before.filtered ? 'doubt' : 'none';
}

function quietly(
  sleep: (ms: number, signal: AbortSignal) => Promise<unknown>,
): (ms: number, signal: AbortSignal) => Promise<void> {
  return async (ms, signal) => {
    try {
      await sleep(ms, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  };
}
