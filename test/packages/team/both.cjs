// Loads the SDK in both ways, and serves with the copy that it got.
const required = require('@roundhouse/agent-sdk');

import('@roundhouse/agent-sdk').then(async (imported) => {
  if (imported.startService !== required.startService) throw new Error('There are two copies.');
  const service = await imported.startService({
    name: 'both',
    routes: ['/both'],
    handler: (_request, response) => response.end(process.versions.node),
  });
  console.log(`${service.id} is up`);
});
