// A fetch-style function. Bodies stream both ways, and `request.signal` aborts when the client leaves.
import { startService } from '@roundhouse/agent-sdk';

await startService({
  name: 'fetch-example',
  routes: ['/fetch'],
  fetch: (request) => new Response(`fetch ${new URL(request.url).pathname}`),
});
