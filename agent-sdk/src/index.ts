/** Everything a service needs to be part of the system. Nothing else is public here. */
export { registerService, startService } from './registration/lifecycle.ts';
export { ServiceError, type ServiceErrorCode } from './registration/service-error.ts';
export type {
  FastifyLike,
  KoaLike,
  NestLike,
  RequestHandler,
  ServiceHandler,
} from './registration/application.ts';
export type { FetchHandler, FetchLike } from './registration/fetch-handler.ts';
export type { GatewayReport, GatewayVerdict } from './registration/gateways.ts';
export type { ServiceEvent, ServiceEventKind, ServiceLog, ServiceLogger } from './registration/log.ts';
export type {
  ListenOptions,
  RegisterOptions,
  ServedOptions,
  ServiceOptions,
  ServiceRoute,
  TaggedAddresses,
} from './registration/options.ts';
export type { RegistrationState } from './registration/registration-state.ts';
export type { ServiceHandle } from './registration/service-handle.ts';
