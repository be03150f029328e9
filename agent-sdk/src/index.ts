/** Everything a service needs to be part of the system. Nothing else is public here. */
export { registerService } from './registration/register-service.ts';
export { startService } from './registration/start-service.ts';
export { ServiceError } from './registration/service-error.ts';
export type { ServiceErrorCode } from './registration/service-error.ts';
export type { FastifyLike, RequestHandler, ServiceHandler } from './registration/handler.ts';
export type { GatewayReport, GatewayVerdict } from './registration/gateways.ts';
export type { ServiceEvent, ServiceEventKind, ServiceLog } from './registration/log.ts';
export type { RegisterOptions, ServiceOptions, ServiceRoute } from './registration/options.ts';
export type { RegistrationState } from './registration/registrar.ts';
export type { ServiceHandle } from './registration/service-handle.ts';
