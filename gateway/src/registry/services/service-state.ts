import {
  compareSnapshots,
  followHeld,
  type Held,
  type Instance,
  isUnchanged,
  noneHeld,
  type ProbeState,
  type Snapshot,
  type SnapshotChange,
  type WatchEvent,
  withoutHeld,
  withProbe,
} from '@roundhouse/agent-sdk/internal';

import type { ServiceOverrides, ServiceSettings } from '../../config/gateway-config.ts';
import {
  type InvalidSetting,
  type MetaSettings,
  noMetaSettings,
  readMetaSettings,
} from '../../config/meta-settings.ts';
import type { AddressPolicy, AddressSource } from '../addresses/address-policy.ts';
import type { RegistrySource } from '../sources/registry-source.ts';
import { nextWatchState, type WatchNews, type WatchState } from '../sources/watch-state.ts';
import { type Hidden, type RefusedInstance, visible, withoutHidden } from './hidden-instances.ts';

/** The state of one service. A value; {@link reduceService} makes the next one. */
export interface ServiceState {
  readonly service: string;
  /** What each source says, by its name. */
  readonly inputs: ReadonlyMap<string, ServiceInput>;
  /** What all sources list together, hidden instances included; undefined before the first answer. */
  readonly listed: Snapshot | undefined;
  readonly hidden: Hidden;
  /** Instances that a source no longer lists, and that are kept for now. */
  readonly held: Held;
  /** What the gateway uses: `listed` without what is hidden. */
  readonly snapshot: Snapshot | undefined;
  /** What the newest registration asks for; a service without instances keeps it. */
  readonly meta: MetaSettings;
  readonly settings: ServiceSettings;
}

/** What one source says of a service. */
export interface ServiceInput {
  readonly trust: AddressSource;
  readonly watch: WatchState;
  readonly snapshot: Snapshot | undefined;
  readonly refused: Hidden;
}

/** An event that may change the state of a service. */
export type ServiceStateEvent =
  | {
      readonly kind: 'source';
      readonly source: Pick<RegistrySource, 'name' | 'trust'>;
      readonly event: WatchEvent<SnapshotChange>;
    }
  /** A list that is not watched: the configuration's (its state is `fixed`), or a saved one (`stale`). */
  | {
      readonly kind: 'list';
      readonly source: Pick<RegistrySource, 'name' | 'trust'>;
      readonly watch: WatchState;
      readonly snapshot: Snapshot;
    }
  /** The service is no longer followed in a source, which lists no instance of it. The catalog speaks for it from here on. */
  | { readonly kind: 'unwatched'; readonly source: string }
  /** A source was removed; the instances that it listed go with it. */
  | { readonly kind: 'dropped'; readonly source: string }
  /** Held instances are let go. */
  | { readonly kind: 'let_go'; readonly keys: readonly string[] }
  /** A held instance was probed. */
  | { readonly kind: 'probed'; readonly key: string; readonly probe: ProbeState }
  /** Address policy or configuration have changed. */
  | { readonly kind: 'reconfigured' };

/** The facts and rules that the reducer uses. */
export interface ServiceContext {
  readonly nowMs: number;
  readonly holdMs: number;
  /** Instances of a registry carry one of these to be used; empty: all are. */
  readonly onlyTags: readonly string[];
  readonly addresses: AddressPolicy;
  /** The settings of the service, by what its instances ask for. */
  readonly settingsFor: (meta: ServiceOverrides) => ServiceSettings;
}

/** What an event changed. */
export interface ServiceUpdate {
  /** The change of the instances that the gateway uses; empty lists when only settings have changed. */
  readonly instances: SnapshotChange;
  /** Instances that this event began to hold. */
  readonly held: readonly Instance[];
  /** The new settings; undefined when they are the same. */
  readonly settings: ServiceSettings | undefined;
  /** Invalid settings that were not known before. */
  readonly invalidSettings: readonly InvalidSetting[];
}

/** The next state and its effects, where it has any. */
export interface ServiceReduction {
  readonly state: ServiceState;
  readonly update?: ServiceUpdate | undefined;
  readonly news?: WatchNews | undefined;
}

export function newServiceState(service: string, settings: ServiceSettings): ServiceState {
  return {
    service,
    inputs: new Map(),
    listed: undefined,
    hidden: new Map(),
    held: noneHeld,
    snapshot: undefined,
    meta: noMetaSettings,
    settings,
  };
}

/** ServiceState × event → ServiceState + effects. */
export function reduceService(
  state: ServiceState,
  event: ServiceStateEvent,
  context: ServiceContext,
): ServiceReduction {
  switch (event.kind) {
    case 'source': {
      const { name, trust } = event.source;
      const before = inputOf(state, name, trust);
      const subject = { of: state.service, source: name };
      const { state: watch, news } = nextWatchState(subject, before.watch, event.event, context.nowMs);
      if (event.event.kind !== 'value') return { state: withInput(state, name, { ...before, watch }), news };
      const given = event.event.value;
      // A restarted watch has no `before` in its first change.
      const isContinued = given.before !== undefined || before.snapshot === undefined;
      const change = isContinued ? given : compareSnapshots(before.snapshot, given.after);
      return { ...followInput(state, name, { ...before, watch }, change, context), news };
    }
    case 'list': {
      const { name, trust } = event.source;
      const before = inputOf(state, name, trust);
      const change = compareSnapshots(before.snapshot, event.snapshot);
      return followInput(state, name, { ...before, watch: event.watch }, change, context);
    }
    case 'unwatched': {
      const input = state.inputs.get(event.source);
      if (input?.watch.kind !== 'stale') return { state };
      // No watch is left that could end the stale state.
      const live = withInput(state, event.source, { ...input, watch: { kind: 'live' } });
      const news = { of: state.service, source: event.source, kind: 'live' } as const;
      return { state: live, news };
    }
    case 'dropped': {
      const input = state.inputs.get(event.source);
      const inputs = new Map([...state.inputs].filter(([name]) => name !== event.source));
      if (input?.snapshot === undefined) return { state: { ...state, inputs } };
      const empty = { ...input.snapshot, instances: [], quarantined: [], held: [] };
      return settle({ ...state, inputs }, compareSnapshots(input.snapshot, empty), context);
    }
    case 'let_go':
      return settle({ ...state, held: withoutHeld(state.held, event.keys) }, undefined, context);
    case 'probed':
      return { state: { ...state, held: withProbe(state.held, event.key, event.probe) } };
    case 'reconfigured': {
      const inputs = [...state.inputs].map(
        ([name, input]) =>
          [name, { ...input, refused: refusedOf(input.snapshot?.instances ?? [], input, context) }] as const,
      );
      return settle({ ...state, inputs: new Map(inputs) }, undefined, context);
    }
  }
}

const unknownInput: Omit<ServiceInput, 'trust'> = {
  watch: { kind: 'syncing' },
  snapshot: undefined,
  refused: new Map(),
};

function inputOf(state: ServiceState, name: string, trust: AddressSource): ServiceInput {
  return { ...(state.inputs.get(name) ?? unknownInput), trust };
}

function withInput(state: ServiceState, name: string, input: ServiceInput): ServiceState {
  return { ...state, inputs: new Map(state.inputs).set(name, input) };
}

function followInput(
  state: ServiceState,
  name: string,
  input: ServiceInput,
  change: SnapshotChange,
  context: ServiceContext,
): ServiceReduction {
  const { added, updated, removed } = change;
  const refused = new Map(input.refused);
  for (const { key } of [...removed, ...updated.map(({ before }) => before)]) refused.delete(key);
  const judged = refusedOf([...added, ...updated.map(({ after }) => after)], input, context);
  for (const [key, reason] of judged) refused.set(key, reason);
  return settle(withInput(state, name, { ...input, snapshot: change.after, refused }), change, context);
}

function refusedOf(
  instances: readonly Instance[],
  { trust }: ServiceInput,
  { addresses, onlyTags }: ServiceContext,
): Hidden {
  const refused = new Map<string, RefusedInstance>();
  const isMeant = (tags: readonly string[]): boolean =>
    trust === 'config' || onlyTags.length === 0 || tags.some((tag) => onlyTags.includes(tag));
  for (const { key, address, port, tags } of instances) {
    const reason = addresses.judge(address, port, trust);
    if (!isMeant(tags))
      refused.set(key, { refused: `it has no tag of ${onlyTags.join(', ')}`, is: 'for_others' });
    else if (reason !== undefined)
      refused.set(key, { refused: `address ${address} port ${port} is refused: ${reason}`, is: 'wanted' });
  }
  return refused;
}

/** Computes all state that depends on the inputs. `change`: the change of one input; undefined when none has changed. */
function settle(
  state: ServiceState,
  change: SnapshotChange | undefined,
  context: ServiceContext,
): ServiceReduction {
  const before = state.listed;
  const listed = merged(state, change);
  if (listed === undefined) return { state };
  const refused: Hidden = new Map([...state.inputs.values()].flatMap((input) => [...input.refused]));
  const { held, added: newlyHeld } = followHeld(state.held, listed, {
    isUsed: ({ key }) => !refused.has(key),
    ...context,
  });
  const letGo = [...held.letGo].map((key) => [key, 'let_go'] as const);
  const hidden: Hidden = letGo.length === 0 ? refused : new Map([...refused, ...letGo]);
  const { added = [], removed = [], updated = [] } = change ?? {};
  const instances = withoutHidden({ before, after: listed, added, removed, updated }, state.snapshot, {
    before: state.hidden,
    after: hidden,
  });
  const meta = readMetaSettings(instances.after) ?? state.meta;
  const settings = context.settingsFor(meta.overrides);
  const known = new Set(state.meta.invalid.map((row) => row.setting));
  const update: ServiceUpdate = {
    instances,
    held: newlyHeld,
    settings: sameSettings(settings, state.settings) ? undefined : settings,
    invalidSettings: meta.invalid.filter((row) => !known.has(row.setting)),
  };
  const isNew = !isUnchanged(instances) || update.settings !== undefined || update.invalidSettings.length > 0;
  const snapshot = instances.after;
  return {
    state: { ...state, listed, hidden, held, snapshot, meta, settings: update.settings ?? state.settings },
    update: isNew ? update : undefined,
  };
}

/** The lists of all inputs as one. Their keys differ, so the change of one input is also the change of the whole list. */
function merged(state: ServiceState, change: SnapshotChange | undefined): Snapshot | undefined {
  if (change === undefined) return state.listed;
  const snapshots = [...state.inputs.values()].flatMap(({ snapshot }) => snapshot ?? []);
  const [only = change.after, ...more] = snapshots;
  if (more.length === 0) return only;
  const heldBecause = snapshots.find((snapshot) => snapshot.heldBecause !== undefined)?.heldBecause;
  return {
    service: state.service,
    index: change.after.index,
    instances: snapshots.flatMap(({ instances }) => instances).sort((a, b) => (a.key < b.key ? -1 : 1)),
    quarantined: snapshots.flatMap(({ quarantined }) => quarantined),
    held: snapshots.flatMap(({ held }) => held),
    ...(heldBecause === undefined ? {} : { heldBecause }),
  };
}

/** The snapshots of watched sources, without instances at refused addresses. */
export function savableSnapshots({ inputs }: ServiceState): readonly Snapshot[] {
  return [...inputs.values()].flatMap(({ snapshot, refused, watch }) =>
    snapshot === undefined || watch.kind === 'fixed' ? [] : visible(snapshot, refused),
  );
}

/** Whether two settings mean the same. They are plain values with their keys in one order. */
function sameSettings(a: ServiceSettings, b: ServiceSettings): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
