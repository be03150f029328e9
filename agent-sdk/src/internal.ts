/**
 * What the SDK shares with the gateway, which is built on the same discovery and the same balancing, and registers itself with the
 * same call, so that it has one copy of the SDK. Private: only packages of this repository import it, and only
 * in the same version. It may change with every release; the public surface is `index.ts`.
 */
export * from './balancing/index.ts';
export * from './discovery/index.ts';
export { registerService } from './registration/lifecycle.ts';
export type { ServiceHandle } from './registration/service-handle.ts';
export { suggest } from './suggest.ts';
