import { describe } from 'vitest';

import { createEmbeddedConsul } from '../../gateway/src/embedded-consul/index.ts';
import { registryContract } from './registry.contract.ts';

describe('the embedded agent keeps the registry contract', () => {
  registryContract(async () => {
    const consul = createEmbeddedConsul();
    const { host, port } = await consul.listen({ host: '127.0.0.1', port: 0 });
    return { address: `http://${host}:${port}`, stop: () => consul.stop() };
  });
});
