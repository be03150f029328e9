// node:cluster: every worker is an instance with a port and an id of its own. Leave PORT unset.
import cluster from 'node:cluster';
import { startService } from '@roundhouse/agent-sdk';

if (cluster.isPrimary) {
  for (let count = 0; count < 2; count += 1) cluster.fork();
  // Workers stop in order when the primary lets go of them.
  process.once('SIGTERM', () => cluster.disconnect());
} else {
  await startService({
    name: 'cluster-example',
    routes: ['/cluster'],
    handler: (request, response) => response.end(`cluster ${request.url} by ${process.pid}`),
  });
}
