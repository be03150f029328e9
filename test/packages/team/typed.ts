// Compiled by every resolution of TypeScript, and run by tsx.
import { ServiceError, startService, type ServiceHandle } from '@roundhouse/agent-sdk';

async function main(): Promise<void> {
  const service: ServiceHandle = await startService({
    name: 'typed',
    routes: ['/typed'],
    handler: (_request, response) => {
      response.end(JSON.stringify({ instance: service.id, framework: 'none' }));
    },
  });
}
main().catch((error: unknown) => {
  console.error(error instanceof ServiceError ? error.code : error);
});
