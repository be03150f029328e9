import { ConnectionBudget } from '../../agent-sdk/src/discovery/connection-budget.ts';
import { Notices } from '../../agent-sdk/src/discovery/notices.ts';
import { ReadWait } from '../../agent-sdk/src/discovery/read-wait.ts';
import type { RegistryClient } from '../../agent-sdk/src/discovery/registry-client.ts';

const unused = (): Promise<never> => Promise.reject(new Error('this call is not scripted'));

/** A client whose calls are the test's; others reject. `now`: the test's clock in ms. */
export function scriptedClient(
  calls: Partial<RegistryClient>,
  { now = () => performance.now(), maxConnections = 100, waitMs = 60_000 } = {},
): RegistryClient {
  const notices = new Notices();
  return {
    description: 'http://agent (default)',
    address: { kind: 'tcp', scheme: 'http', host: 'agent', port: 8500, pathPrefix: '' },
    budget: new ConnectionBudget(maxConnections, now),
    wait: new ReadWait(waitMs, now, notices),
    notices,
    tokenChanges: 0,
    serviceHealth: unused,
    catalogServices: unused,
    agentServices: unused,
    agentService: unused,
    registerService: unused,
    deregisterService: unused,
    setMaintenance: unused,
    passCheck: unused,
    close: () => undefined,
    ...calls,
  };
}
