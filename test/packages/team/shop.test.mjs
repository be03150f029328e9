// For Vitest without a setting: an ES module, and CommonJS in the same process.
import { createRequire } from 'node:module';

import * as imported from '@roundhouse/agent-sdk';
import { expect, it } from 'vitest';

it('a service starts, answers and stops inside of Vitest', async () => {
  const service = await imported.startService({
    name: 'tested-by-vitest',
    handler: (_request, response) => response.end('tested'),
    signals: 'ignore',
  });
  expect(await (await fetch(`http://127.0.0.1:${service.port}/`)).text()).toBe('tested');
  await service.stop();
});

it('import and require give one copy', () => {
  const required = createRequire(import.meta.url)('@roundhouse/agent-sdk');
  expect(required.startService).toBe(imported.startService);
  expect(required.ServiceError).toBe(imported.ServiceError);
});
