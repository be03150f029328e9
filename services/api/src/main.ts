import { startService } from '@roundhouse/agent-sdk';
import { createApiApp } from './app.ts';
import type { Identity } from './identity.ts';

const { SERVICE_NAME: name = 'api-service', LOG_LEVEL: logLevel } = process.env;

const service: Promise<Identity> = startService({
  name,
  routes: ['/api'],
  handler: createApiApp({ identity: () => service, logLevel }),
});
await service;
