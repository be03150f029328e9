// Compiled by every resolution of TypeScript, and run by tsx.
import { ServiceError, startService, type ServiceHandle } from '@roundhouse/agent-sdk';

async function main(): Promise<void> {
  const service: Promise<ServiceHandle> = startService({
    name: 'typed',
    routes: ['/typed'],
    handler: async (_request, response) => {
      response.end(JSON.stringify({ instance: (await service).id, framework: 'none' }));
    },
  });
  await service;
}
main().catch((error: unknown) => {
  console.error(error instanceof ServiceError ? error.code : error);
});
