/** Discovery: what the registry says. Shared by the SDK's registration and the gateway. */
export type { ConsulClientOptions } from './consul-client.ts';
export { createConsulClient } from './consul-client.ts';
export type { ConsulOptions, Setting } from './environment.ts';
export { consulSettings } from './environment.ts';
export { asObject } from './decode.ts';
export {
  expectedIdentity,
  identityAnswer,
  identityMetaKey,
  identityMetaValue,
  identityPath,
  identityQuestion,
  readIdentityAnswer,
} from './identity.ts';
export type { Catalog, HoldReason, Instance, Snapshot } from './instance.ts';
export type { HoldPolicy } from './holds/evaluate-update.ts';
export {
  followHeld,
  noneHeld,
  withoutHeld,
  withProbe,
  type Held,
  type HeldInstance,
  type ProbeState,
} from './holds/held-instances.ts';
export { HeldProber, type HeldProbe } from './holds/held-prober.ts';
export { ownShortage } from './system-error.ts';
export { Demand } from './demand.ts';
export type { Notice, NoticeKind, Notices } from './notices.ts';
export { createReadingBudget } from './rate-limit.ts';
export { ReadingPlan } from './reading-plan.ts';
export { refusedKind } from './refused-address.ts';
export type {
  ReadAnswer,
  ReadOptions,
  RegistryClient,
  RegistryFailure,
  ServiceDefinition,
} from './registry-client.ts';
export type { InvalidRouteTag, RouteClaim } from './route-tags.ts';
export { isInvalidRouteTag, parseRouteTag, routeTag } from './route-tags.ts';
export { catalogFromAnswer, fixedSnapshot, snapshotFromAnswer } from './snapshot.ts';
export {
  compareSnapshots,
  isUnchanged,
  sameTexts,
  type InstanceUpdate,
  type SnapshotChange,
} from './snapshot-change.ts';
export type { RoutingQuestion, RoutingStatus } from './routing-status.ts';
export {
  parseRoutingQuestion,
  readRoutingStatus,
  routingKeyMetaKey,
  routingStatusTarget,
} from './routing-status.ts';
export { watchCatalog, watchService } from './watch.ts';
export type { WatchEvent } from './watch-event.ts';
export { WakeList } from './wake-list.ts';
export { yieldTurn } from './yield-turn.ts';
