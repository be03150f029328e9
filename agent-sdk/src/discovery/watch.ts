import { setMaxListeners } from 'node:events';

import { backoffMs, defaultBackoff, forbiddenBackoff } from './backoff.ts';
import { type IndexStep, stepIndex } from './consul-index.ts';
import type { DecodedRecords } from './decode.ts';
import {
  evaluateUpdate,
  type HoldPolicy,
  type HoldState,
  noHold,
  readWhileHeld,
  type Suspicion,
} from './holds/evaluate-update.ts';
import { holdableCatalog, type HoldableKind, holdableService } from './holds/holdable.ts';
import type { Catalog, Snapshot } from './instance.ts';
import { isOutdated, outdatedMessage } from './outdated.ts';
import { type AnswerPace, createWatchPace, type ReadingBudget } from './rate-limit.ts';
import type { RecoverySignal } from './recovery-signal.ts';
import {
  type AnswerMemory,
  type ReadAnswer,
  type ReadOptions,
  type RegistryClient,
  RegistryError,
} from './registry-client.ts';
import { catalogFromAnswer, snapshotFromAnswer } from './snapshot.ts';
import type { SnapshotChange } from './snapshot-change.ts';
import type { WatchEvent } from './watch-event.ts';
import { createPauses } from './watch-pauses.ts';
import { yieldTurn } from './yield-turn.ts';

export interface WatchOptions {
  /** Ends the iteration, also in mid-request and in mid-pause. */
  readonly signal: AbortSignal;
  /** How long the agent may hold a read. Default 60 s; Consul takes up to 600 s. */
  readonly waitMs?: number;
  /**
   * Read at every answer. Default: 30 s, and no removal is suspicious by its size alone. A smaller share is for owners that probe each
   * held instance and release those that do not answer.
   */
  readonly holdPolicy?: () => HoldPolicy;
  /** A saved snapshot that is used before the first answer. The first answer is then judged like one after a failure. */
  readonly seed?: Snapshot;
  /** Longest pause between two attempts that fail. Default 15 s. */
  readonly retryMaxMs?: number;
  /** Shared by the watches of one registry, so that all go on as soon as one can. Default: none. */
  readonly recovery?: RecoverySignal;
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
 * Follows one service for as long as it is iterated: a value at first and whenever the content differs, each with what has changed since the
 * one before; `stale` for each failed attempt, `live` when it goes on unchanged. It never gives up and never throws; it ends when the
 * signal aborts or the iteration is left, and then no request and no timer is left either. Each iteration is a watch of its own.
 */
export function watchService(
  client: RegistryClient,
  service: string,
  options: WatchOptions,
): AsyncIterable<WatchEvent<SnapshotChange>> {
  const context = { service, cluster: options.cluster ?? 'default' };
  const known: DecodedRecords = new WeakMap();
  return watch(
    {
      read: (read) => client.serviceHealth(service, read),
      decode: (answer) => snapshotFromAnswer(answer, context, known),
      holdable: holdableService,
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
      holdable: holdableCatalog,
      // A name with its tags is a small part of what an instance's record is.
      records: ({ services }) => Object.keys(services).length / 10,
    },
    // A shorter catalog only stops watches, and a watch is kept while its instances are known.
    {
      ...options,
      holdPolicy: () => ({ ...(options.holdPolicy?.() ?? defaultHoldPolicy), maxRemovedRatio: 1 }),
    },
    undefined,
  );
}

/** What is followed, and how its answers are understood. */
interface Kind<Value, Update, Item> {
  read(options: ReadOptions): Promise<ReadAnswer>;
  /** Throws `RegistryError('malformed')`. */
  decode(answer: ReadAnswer): Value;
  readonly holdable: HoldableKind<Value, Update, Item>;
  /** How much there was to read. */
  records(value: Value): number;
}

/** Gives each iteration its own end, so that leaving it also cancels a read that is under way. */
function watch<Value, Update, Item>(
  kind: Kind<Value, Update, Item>,
  options: WatchOptions,
  seed: Value | undefined,
): AsyncIterable<WatchEvent<Update>> {
  return {
    [Symbol.asyncIterator]() {
      const end = new AbortController();
      const stop = (): void => {
        end.abort(options.signal.reason);
      };
      // Hundreds of watches share one signal, which is not a leak.
      setMaxListeners(0, options.signal);
      options.signal.addEventListener('abort', stop, { once: true });
      if (options.signal.aborted) stop();
      const events = follow(kind, options, { signal: end.signal, seed });
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

const defaultHoldPolicy: HoldPolicy = { holdMs: 30_000, maxRemovedRatio: 1 };

/** The loop of Consul's blocking queries. Reads only when the consumer asks for the next event. */
async function* follow<Value, Update, Item>(
  kind: Kind<Value, Update, Item>,
  options: WatchOptions,
  { signal, seed }: { readonly signal: AbortSignal; readonly seed: Value | undefined },
): AsyncGenerator<WatchEvent<Update>, undefined, undefined> {
  const { waitMs = 60_000, holdPolicy = () => defaultHoldPolicy, now = () => performance.now() } = options;
  const { random = Math.random, retryMaxMs = defaultBackoff.maxMs } = options;
  const pauses = createPauses(options, signal);
  const pace = createWatchPace(options.budget);
  const memory: AnswerMemory = { list: undefined };
  let accepted = seed;
  let acceptedIndex = '0';
  let held = noHold as HoldState<Item>;
  let index = '0';
  let failures = 0;
  let isConfirmed = seed === undefined;
  let isFiltered = false;

  const ended = (): boolean => signal.aborted;

  while (!ended()) {
    const startedMs = now();
    const { isFresh, blockMs } = readWhileHeld(held.hold, startedMs, waitMs);
    const asked = isFresh ? '0' : index;
    const result = await readOnce(kind, { signal, index: asked, waitMs: blockMs, memory }, acceptedIndex);
    if (ended()) return;

    if ('error' in result) {
      index = '0';
      failures += 1;
      isConfirmed = false;
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

    const { answer, value } = result;
    const step = stepIndex(asked, answer.index);
    const suspicion = suspect(answer, step, { isConfirmed, isFiltered });
    const comparison = kind.holdable.compare(accepted, value);
    const policy = holdPolicy();
    if (held.hold !== undefined || suspicion !== 'none' || policy.maxRemovedRatio < 1) {
      const items = { accepted: comparison.accepted(), missing: comparison.missing() };
      held = evaluateUpdate(kind.holdable, held, { ...items, ...policy, suspicion, nowMs: now() });
    }
    const next = comparison.accept(held.hold);
    const recovered = !isConfirmed;
    if (failures > 0) options.recovery?.notify();
    acceptedIndex = answer.index ?? '0';
    failures = 0;
    isConfirmed = true;
    isFiltered = answer.filteredByAcl;
    const elapsedMs = now() - startedMs;
    const idle = asked !== '0' && elapsedMs >= blockMs * 0.9;
    index = held.hold !== undefined && idle ? '0' : step.next;
    const changed = next.update !== undefined;
    const followable = step.kind !== 'none';
    const records = kind.records(value);
    const pauseMs = pace.after(
      answerPace({ changed, idle, recovered, followable, records }, elapsedMs),
      now(),
    );

    if (next.update !== undefined) {
      accepted = next.value;
      await yieldTurn(records);
      if (ended()) return;
      yield { kind: 'value', value: next.update };
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

type DecodedAnswer<T> =
  { readonly answer: ReadAnswer; readonly value: T } | { readonly error: RegistryError };

async function readOnce<Value, Update, Item>(
  kind: Kind<Value, Update, Item>,
  read: ReadOptions,
  acceptedIndex: string,
): Promise<DecodedAnswer<Value>> {
  try {
    const answer = await kind.read(read);
    if (isOutdated(answer, acceptedIndex))
      return { error: new RegistryError('unavailable', outdatedMessage(answer)) };
    const records = Array.isArray(answer.body) ? answer.body.length : 0;
    await yieldTurn(records);
    const value = kind.decode(answer);
    await yieldTurn(records);
    return { answer, value };
  } catch (error) {
    if (error instanceof RegistryError) return { error };
    // Either an abort, which the caller sees by its signal, or a bug, which must not end the watch.
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
  before: { readonly isConfirmed: boolean; readonly isFiltered: boolean },
): Suspicion {
  if (!before.isConfirmed) return 'after_failure';
  if (answer.knownLeader === false) return 'no_leader';
  // The same index with other content means that the token's view changed, not the registry.
  if (step.kind === 'backwards' || step.kind === 'same') return 'index';
  return answer.filteredByAcl && !before.isFiltered ? 'filtered' : 'none';
}
