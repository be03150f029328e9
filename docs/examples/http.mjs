// A plain function on node:http.
import { startService } from '@roundhouse/agent-sdk';

await startService({
  name: 'http-example',
  routes: ['/http'],
  handler: (request, response) => response.end(`http ${request.url}`),
});
