import { setMaxListeners } from 'node:events';

import { type BackoffBounds, backoffMs, defaultBackoff, forbiddenBackoff } from './backoff.ts';
import { stepIndex } from './consul-index.ts';
import type { DecodedRecords } from './decode.ts';
import type { Demand } from './demand.ts';
import {
  evaluateUpdate,
  type HoldPolicy,
  type HoldState,
  noHold,
  readWhileHeld,
} from './holds/evaluate-update.ts';
import { holdableCatalog, type HoldableKind, holdableService } from './holds/holdable.ts';
import type { Catalog, Snapshot } from './instance.ts';
import { outdated } from './outdated.ts';
import { createWatchPace, type ReadingBudget } from './rate-limit.ts';
import type { ReadWait } from './read-wait.ts';
import { ReadingPlan } from './reading-plan.ts';
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
import { answerPace, suspect } from './watch-answer.ts';
import { createPauses, type PauseOptions } from './watch-pauses.ts';
import { yieldTurn } from './yield-turn.ts';

export interface WatchOptions extends PauseOptions {
  /** Ends the iteration, also in mid-request and in mid-pause. */
  readonly signal: AbortSignal;
  /** Shared by the watches of one agent, so that its connections stay within the budget. Default: one of its own. */
  readonly plan?: ReadingPlan;
  /**
   * Read at every answer. Default: 30 s, and no removal is suspicious by its size alone. A smaller share is for owners that probe each
   * held instance and release those that do not answer.
   */
  readonly holdPolicy?: () => HoldPolicy;
  /** A saved snapshot that is used before the first answer. The first answer is then judged like one after a failure. */
  readonly seed?: Snapshot;
  /** Longest pause between two attempts that fail. Default 15 s. */
  readonly retryMaxMs?: number;
  /** Shared by the watches of one registry, so that a storm over many services is read at a bounded cost. Default: one of its own. */
  readonly budget?: ReadingBudget;
  /** The operator's name for the registry: first part of every `Instance.key`. Default `default`. */
  readonly cluster?: string;
  /** Monotonic ms. Default `performance.now`. */
  readonly now?: () => number;
  /** In [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Follows one service for as long as it is iterated: a value at first and whenever the content differs, each with what has changed since the
 * one before; `stale` for each failed attempt, `live` when it goes on unchanged. It never gives up and never throws; it ends when the
 * signal aborts or the iteration is left, and then no request and no timer is left either. Each iteration is a watch of its own.
 */
export function watchService(
  client: RegistryClient,
  service: string,
  options: WatchOptions & { readonly demand?: Demand },
): AsyncIterable<WatchEvent<SnapshotChange>> {
  const { demand } = options;
  const context = { service, cluster: options.cluster ?? 'default' };
  const known: DecodedRecords = new WeakMap();
  return watch(
    {
      client,
      reads: { service, demand },
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
      client,
      reads: { service: undefined, demand: undefined },
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
  readonly client: RegistryClient;
  /** What the plan goes by. */
  readonly reads: { readonly service: string | undefined; readonly demand: Demand | undefined };
  read(options: ReadOptions): Promise<ReadAnswer>;
  /** Throws `RegistryError('malformed')`. */
  decode(answer: ReadAnswer): Value;
  readonly holdable: HoldableKind<Value, Update, Item>;
  /** How much there was to read. */
  records(value: Value): number;
}

/** So many reads in a row that fail for want of something of this process's own say nothing about the registry. */
const exhaustedReads = 5;

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
      return {
        // It is done when the signal has aborted, which has taken the listener away.
        next: () => events.next(),
        async return() {
          options.signal.removeEventListener('abort', stop);
          end.abort();
          return events.return(undefined);
        },
      };
    },
  };
}

/** A usual record of an instance. */
const bytesPerRecord = 1_000;

const defaultHoldPolicy: HoldPolicy = { holdMs: 30_000, maxRemovedRatio: 1 };

/** The loop of Consul's blocking queries. Reads only when the consumer asks for the next event. */
async function* follow<Value, Update, Item>(
  kind: Kind<Value, Update, Item>,
  options: WatchOptions,
  { signal, seed }: { readonly signal: AbortSignal; readonly seed: Value | undefined },
): AsyncGenerator<WatchEvent<Update>, undefined, undefined> {
  const { holdPolicy = () => defaultHoldPolicy, now = () => performance.now() } = options;
  const { random = Math.random, retryMaxMs = defaultBackoff.maxMs } = options;
  const { budget, wait } = kind.client;
  const { plan = new ReadingPlan({ budget, wait, now, random }) } = options;
  const reader = plan.join({ ...kind.reads, signal });
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
    const mustNotBlock = index === '0' || readWhileHeld(held.hold, now(), Infinity).isFresh;
    const turn = await reader.turn(mustNotBlock ? 'plain' : 'block');
    if (ended()) return;
    const startedMs = now();
    const isBlocking = turn.kind === 'block';
    const blockMs = isBlocking ? readWhileHeld(held.hold, startedMs, turn.waitMs).blockMs : 0;
    const read = { signal, index: isBlocking ? index : '0', waitMs: blockMs, memory };
    const result = await readOnce(kind, read, acceptedIndex);
    if (ended()) return;
    if ('error' in result) {
      reader.done('failed');
      index = '0';
      isConfirmed = false;
      // Without a connection that blocks, or when a read was cut for its length, nothing is known to be wrong.
      if (isBlocking && isHarmless(result.error, wait, now() - startedMs)) continue;
      failures += 1;
      const { failure, message } = result.error;
      const retryInMs = backoffMs(failures, random(), boundsAfter(failure, retryMaxMs));
      if (failure !== 'exhausted' || failures > exhaustedReads)
        yield { kind: 'stale', attempt: failures, failure, message, retryInMs };
      await pauses.afterFailure(retryInMs, random());
      continue;
    }

    const { answer, value } = result;
    const step = stepIndex(mustNotBlock ? '0' : index, answer.index);
    const suspicion = suspect(answer, step, { isConfirmed, isFiltered });
    const comparison = kind.holdable.compare(accepted, value);
    const policy = holdPolicy();
    if (held.hold !== undefined || suspicion !== 'none' || policy.maxRemovedRatio < 1) {
      const items = { accepted: comparison.accepted(), missing: comparison.missing() };
      held = evaluateUpdate(kind.holdable, held, { ...items, ...policy, suspicion, nowMs: now() });
    }
    const next = comparison.accept(held.hold);
    const recovered = !isConfirmed;
    if (failures > 0) options.recovery?.wake();
    acceptedIndex = answer.index ?? '0';
    failures = 0;
    isConfirmed = true;
    isFiltered = answer.filteredByAcl;
    const elapsedMs = now() - startedMs;
    const isIdle = isBlocking && elapsedMs >= blockMs * 0.9;
    index = held.hold !== undefined && isIdle ? '0' : step.next;
    const changed = next.update !== undefined;
    reader.done(changed ? 'changed' : 'same');
    if (kind.reads.service === undefined && step.kind === 'moved') plan.wake();
    const records = Math.max(kind.records(value), (answer.bytes ?? 0) / bytesPerRecord);
    const rate = answerPace({ changed, isIdle, recovered, turn, step, records, elapsedMs });
    const pauseMs = pace.after(rate, now());
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

function boundsAfter(failure: RegistryError['failure'], retryMaxMs: number): BackoffBounds {
  const bounds = failure === 'forbidden' ? forbiddenBackoff : defaultBackoff;
  return { ...bounds, maxMs: Math.max(bounds.minMs, Math.min(bounds.maxMs, retryMaxMs)) };
}

/** Whether the failure of a blocking read says nothing about the registry. The next read, which does not block, will. */
function isHarmless(error: RegistryError, wait: ReadWait, elapsedMs: number): boolean {
  return error.failure === 'over_limit' || wait.failed(error, elapsedMs);
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
    const problem = outdated(answer, acceptedIndex);
    if (problem !== undefined) return { error: new RegistryError('unavailable', problem) };
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
