/** Discovery: what the registry says. Shared by the SDK's registration and the gateway. */
export type { BackoffBounds } from './backoff.ts';
export { backoffMs, defaultBackoff } from './backoff.ts';
export type { ConsulAddress } from './consul-address.ts';
export { formatConsulAddress, isLoopbackAddress } from './consul-address.ts';
export type { ConsulClientOptions } from './consul-client.ts';
export { createConsulClient } from './consul-client.ts';
export type { ConsulOptions, ConsulSettings, ConsulSettingsResult, Setting } from './environment.ts';
export { consulSettings } from './environment.ts';
export {
  expectedIdentity,
  identityAnswer,
  identityField,
  identityMetaKey,
  identityMetaValue,
  identityPath,
  identityQuestion,
  readIdentityAnswer,
} from './identity.ts';
export type {
  Catalog,
  HoldReason,
  Instance,
  InstanceStatus,
  QuarantinedRecord,
  Snapshot,
} from './instance.ts';
export type { HoldPolicy } from './holds/evaluate-update.ts';
export {
  afterProbe,
  followHeld,
  noneHeld,
  withoutHeld,
  withProbe,
  type Held,
  type HeldInstance,
  type ProbeState,
} from './holds/held-instances.ts';
export { createHeldProber, type HeldProber, type HeldProbe } from './holds/held-prober.ts';
export type { ReadingBudget } from './rate-limit.ts';
export { createReadingBudget } from './rate-limit.ts';
export type { RecoverySignal } from './recovery-signal.ts';
export { createRecoverySignal } from './recovery-signal.ts';
export type {
  AnswerMemory,
  CheckDefinition,
  ReadAnswer,
  ReadOptions,
  RegistryClient,
  RegistryFailure,
  ServiceDefinition,
} from './registry-client.ts';
export { RegistryError } from './registry-client.ts';
export type { InvalidRouteTag, RouteClaim, RouteInput } from './route-tags.ts';
export { isInvalidRouteTag, parseRouteTag, RouteTagError, routeTag } from './route-tags.ts';
export { catalogFromAnswer, fixedSnapshot, snapshotFromAnswer } from './snapshot.ts';
export {
  compareSnapshots,
  isUnchanged,
  type InstanceUpdate,
  type SnapshotChange,
} from './snapshot-change.ts';
export type { RoutingStatus } from './routing-status.ts';
export { parseRoutingStatusPath, readRoutingStatus, routingStatusPath } from './routing-status.ts';
export type { WatchOptions } from './watch.ts';
export { watchCatalog, watchService } from './watch.ts';
export type { WatchEvent } from './watch-event.ts';
export { yieldTurn } from './yield-turn.ts';
