import { setMaxListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';

import type { KnownRecords } from './decode.ts';
import { backoffMs, defaultBackoff, forbiddenBackoff } from './backoff.ts';
import { type IndexStep, stepIndex } from './consul-index.ts';
import {
  type Hold,
  type Holdable,
  holdableCatalog,
  holdableSnapshot,
  type Suspicion,
  takesAway,
  weighAnswer,
} from './hold.ts';
import type { Catalog, Snapshot } from './instance.ts';
import { type AnswerPace, createWatchPace, type ReadingBudget } from './rate-limit.ts';
import type { RecoveryBell } from './recovery-bell.ts';
import {
  type AnswerMemory,
  type ReadAnswer,
  type ReadOptions,
  type RegistryClient,
  RegistryError,
} from './registry-client.ts';
import {
  catalogFromAnswer,
  reuseInstances,
  sameCatalog,
  sameSnapshot,
  snapshotFromAnswer,
} from './snapshot.ts';
import { isOutdated, outdatedMessage } from './outdated.ts';
import { createPauses } from './watch-pauses.ts';
import type { WatchEvent } from './watch-event.ts';

export interface WatchOptions {
  /** Ends the iteration, also in mid-request and in mid-pause. */
  readonly signal: AbortSignal;
  /** How long the agent may hold a read. Default 60 s; Consul takes up to 600 s. */
  readonly waitMs?: number;
  /** How long what a suspicious answer took away is kept; see `Snapshot.held`. Default 30 s; 0 believes everything at once. */
  readonly holdMs?: number;
  /**
   * An answer that takes away more than this share of the instances that could serve is suspicious by that alone. Default 1: never. For
   * those who can find out about each instance themselves, and let go of the dead.
   */
  readonly maxRemovedRatio?: number;
  /** What is believed before the first answer: a snapshot that was saved. The first answer is then weighed like one after a failure. */
  readonly seed?: Snapshot;
  /** Longest pause between two attempts that fail. Default 15 s. */
  readonly retryMaxMs?: number;
  /** Shared by the watches of one registry, so that all go on as soon as one can. Default: none. */
  readonly bell?: RecoveryBell;
  /** Shared by the watches of one registry, so that a storm over many services is read at a bounded cost. Default: one of its own. */
  readonly budget?: ReadingBudget;
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
  const known: KnownRecords = new WeakMap();
  return watch(
    {
      read: (read) => client.serviceHealth(service, read),
      decode: (answer) => snapshotFromAnswer(answer, context, known),
      same: sameSnapshot,
      holdable: holdableSnapshot,
      reuse: reuseInstances,
      records: ({ instances, quarantined }) => instances.length + quarantined.length,
    },
    options,
    options.seed,
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
      reuse: (_before, after) => after,
      // A name with its tags is a small part of what an instance's record is.
      records: ({ services }) => Object.keys(services).length / 10,
    },
    // What a shorter catalog stops is watches only, and those are kept while instances are known.
    { ...options, maxRemovedRatio: 1 },
    undefined,
  );
}

/** What is followed, and how its answers are understood. */
interface Source<T, Item> {
  read(options: ReadOptions): Promise<ReadAnswer>;
  /** Throws `RegistryError('malformed')`. */
  decode(answer: ReadAnswer): T;
  same(a: T, b: T): boolean;
  readonly holdable: Holdable<T, Item>;
  /** The value, with parts of an earlier one where they are equal. */
  reuse(before: T | undefined, value: T): T;
  /** How much there was to read. */
  records(value: T): number;
}

/** Gives each iteration its own end, so that leaving it also cancels a read that is under way. */
function watch<T, Item>(
  source: Source<T, Item>,
  options: WatchOptions,
  seed: T | undefined,
): AsyncIterable<WatchEvent<T>> {
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
      const events = follow(source, options, { signal: end.signal, seed });
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

/**
 * While something is held, the registry is asked afresh this often: what took rows away without a change of the index (an ACL, a lost
 * leader) gives them back in the same way, and no blocking read would tell.
 */
const recheckMs = 2_000;

/** The loop of Consul's blocking queries, with what it has to be careful about. Reads only when it is asked for the next event. */
async function* follow<T, Item>(
  source: Source<T, Item>,
  options: WatchOptions,
  { signal, seed }: { readonly signal: AbortSignal; readonly seed: T | undefined },
): AsyncGenerator<WatchEvent<T>, undefined, undefined> {
  const { waitMs = 60_000, holdMs = 30_000, maxRemovedRatio = 1, now = () => performance.now() } = options;
  const { random = Math.random, retryMaxMs = defaultBackoff.maxMs } = options;
  const pauses = createPauses(options, signal);
  const pace = createWatchPace(options.budget);
  const memory: AnswerMemory = { list: undefined };
  let believed = seed;
  let believedIndex = '0';
  let hold: Hold<Item> | undefined;
  let removedMs: number | undefined;
  let index = '0';
  let failures = 0;
  let confirmed: 'yes' | 'no' = seed === undefined ? 'yes' : 'no';
  let filtered = false;

  const ended = (): boolean => signal.aborted;

  while (!ended()) {
    const startedMs = now();
    // When a hold runs out, a fresh read decides; until then nothing may block for long.
    const holdLeftMs = hold === undefined ? Infinity : hold.untilMs - startedMs;
    const asked = holdLeftMs <= 0 ? '0' : index;
    const longestMs = hold === undefined ? waitMs : Math.min(waitMs, recheckMs);
    const blockMs = Math.ceil(Math.min(longestMs, Math.max(1, holdLeftMs)));
    const result = await attempt(source, { signal, index: asked, waitMs: blockMs, memory }, believedIndex);
    if (ended()) return;

    if ('error' in result) {
      index = '0';
      failures += 1;
      confirmed = 'no';
      const { failure, message } = result.error;
      const bounds = failure === 'forbidden' ? forbiddenBackoff : defaultBackoff;
      const retryInMs = backoffMs(failures, random(), {
        ...bounds,
        maxMs: Math.max(bounds.minMs, Math.min(bounds.maxMs, retryMaxMs)),
      });
      yield { kind: 'stale', attempt: failures, failure, message, retryInMs };
      await pauses.afterFailure(retryInMs, random());
      continue;
    }

    const { answer } = result;
    const value = source.reuse(believed, result.value);
    const step = stepIndex(asked, answer.index);
    const suspicion = suspect(answer, step, { confirmed, filtered });
    const nowMs = now();
    const facts = { believed, answer: value, suspicion, hold, nowMs, holdMs, maxRemovedRatio, removedMs };
    const belief = weighAnswer(source.holdable, facts);
    if (maxRemovedRatio < 1 && takesAway(source.holdable, believed, value)) removedMs = nowMs;
    const changed = believed === undefined || !source.same(believed, belief.value);
    const recovered = confirmed === 'no';
    if (failures > 0) options.bell?.ring();
    believedIndex = answer.index ?? '0';
    hold = belief.hold;
    failures = 0;
    confirmed = 'yes';
    filtered = answer.filteredByAcl;
    const elapsedMs = now() - startedMs;
    const idle = asked !== '0' && elapsedMs >= blockMs * 0.9;
    index = hold !== undefined && idle ? '0' : step.next;
    const followable = step.kind !== 'none';
    const records = source.records(value);
    const pauseMs = pace.after(
      answerPace({ changed, idle, recovered, followable, records }, elapsedMs),
      now(),
    );

    if (changed) {
      believed = belief.value;
      if (records > largeAnswer) await nextTurn();
      if (ended()) return;
      yield { kind: 'value', value: belief.value };
    } else if (recovered) {
      yield { kind: 'live' };
    }
    if (pauseMs > 0) await pauses.plain(pauseMs);
  }
}

interface AnswerFacts {
  readonly changed: boolean;
  readonly idle: boolean;
  readonly recovered: boolean;
  /** Whether the next read can block. */
  readonly followable: boolean;
  readonly records: number;
}

function answerPace(facts: AnswerFacts, elapsedMs: number): AnswerPace {
  const { changed, idle, recovered, followable, records } = facts;
  if (changed) return { kind: 'changed', records };
  if (idle) return { kind: 'idle' };
  return recovered && followable ? { kind: 'recovered' } : { kind: 'early', elapsedMs };
}

/** Records of an answer that is dealt with in several turns of the event loop. */
const largeAnswer = 500;

type Attempt<T> = { readonly answer: ReadAnswer; readonly value: T } | { readonly error: RegistryError };

async function attempt<T, Item>(
  source: Source<T, Item>,
  read: ReadOptions,
  believedIndex: string,
): Promise<Attempt<T>> {
  try {
    const answer = await source.read(read);
    if (isOutdated(answer, believedIndex))
      return { error: new RegistryError('unavailable', outdatedMessage(answer)) };
    // Reading, decoding and weighing thousands of records take milliseconds each: others may have their turn between.
    const isLarge = Array.isArray(answer.body) && answer.body.length > largeAnswer;
    if (isLarge) await nextTurn();
    const value = source.decode(answer);
    if (isLarge) await nextTurn();
    return { answer, value };
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
  before: { readonly confirmed: 'yes' | 'no'; readonly filtered: boolean },
): Suspicion {
  if (before.confirmed === 'no') return 'after_failure';
  if (answer.knownLeader === false) return 'no_leader';
  // The same index with other content means that not the registry changed, but what we may see of it.
  if (step.kind === 'backwards' || step.kind === 'same') return 'index';
  return answer.filteredByAcl && !before.filtered ? 'filtered' : 'none';
}
