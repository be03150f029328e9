import { startService } from '@roundhouse/agent-sdk';
import { createWebapp } from './app.ts';
import type { Identity } from './identity.ts';

const { SERVICE_NAME: name = 'webapp-service', LOG_LEVEL: logLevel } = process.env;

const service: Promise<Identity> = startService({
  name,
  routes: ['/'],
  handler: createWebapp({ identity: () => service, logLevel }),
});
await service;
