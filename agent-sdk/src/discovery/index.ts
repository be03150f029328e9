/** Discovery: what the registry says. Shared by the SDK's registration and the gateway. */
export type { Catalog, Instance, InstanceStatus, QuarantinedRecord, Snapshot } from './instance.ts';
export type {
  CheckDefinition,
  ReadAnswer,
  ReadOptions,
  RegistryClient,
  RegistryFailure,
  ServiceDefinition,
} from './registry-client.ts';
export { RegistryError } from './registry-client.ts';
export type { WatchEvent } from './watch-event.ts';
