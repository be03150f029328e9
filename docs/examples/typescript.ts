// TypeScript, with Pino as the log.
import { pino } from 'pino';
import { type ServiceHandle, startService } from '@roundhouse/agent-sdk';

const service: ServiceHandle = await startService({
  name: 'typescript-example',
  routes: ['/typescript'],
  handler: (request, response) => response.end(`typescript ${request.url ?? ''} by ${service.id}`),
  log: pino(),
});
