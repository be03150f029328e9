import { type RegistryClient, RegistryError, type ServiceDefinition } from '../discovery/registry-client.ts';

import type { Report } from './log.ts';
import { isLeftStopping, staleInstanceIds } from './service-definition.ts';

/** What is left in Consul of processes that were killed, as far as it is in this one's way. */
export interface Predecessors {
  /**
   * Before registering: takes out what crashed at our address and port. Once per address: later, siblings that share our port
   * (cluster workers) would be taken for corpses again and again.
   */
  removeStale(definition: ServiceDefinition): Promise<void>;
  /** After registering. Once, and only for an id that may have been used before: see {@link isLeftStopping}. */
  endMaintenance(definition: ServiceDefinition): Promise<void>;
}

/** What they are tidied up with. */
export interface PredecessorsParts {
  readonly client: RegistryClient;
  /** Gives a call its deadline. */
  readonly call: <T>(what: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  readonly report: Report;
  /** `given`: a process before this one may have had the same id. */
  readonly id: 'given' | 'generated';
}

/** Both reject when Consul can't be talked to; what it refuses is passed over, since tidying is not worth staying away for. */
export function createPredecessors({ client, call, report, id: origin }: PredecessorsParts): Predecessors {
  let cleanedAddress: string | undefined;
  let maintenance: 'possible' | 'settled' = origin === 'given' ? 'possible' : 'settled';

  async function removeStale(definition: ServiceDefinition): Promise<void> {
    if (cleanedAddress === definition.Address) return;
    try {
      const services = await call((signal) => client.agentServices({ signal }));
      for (const id of staleInstanceIds(services.body, definition)) {
        await call((signal) => client.deregisterService(id, signal));
        report(
          'info',
          'stale_instance_removed',
          `removed ${id}, left behind at ${definition.Address}:${definition.Port}`,
        );
      }
    } catch (error) {
      if (isOutage(error)) throw error;
    }
    cleanedAddress = definition.Address;
  }

  async function endMaintenance({ ID: id, Name: name }: ServiceDefinition): Promise<void> {
    if (maintenance === 'settled') return;
    try {
      const health = await call((signal) => client.serviceHealth(name, { signal }));
      if (isLeftStopping(health.body, id)) {
        await call((signal) => client.setMaintenance(id, { enable: false, reason: '' }, signal));
        report(
          'info',
          'stale_instance_removed',
          `ended the maintenance that a killed predecessor left on ${id}`,
        );
      }
      maintenance = 'settled';
    } catch (error) {
      if (isOutage(error)) throw error;
    }
  }

  return { removeStale, endMaintenance };
}

/** Whatever is no answer of Consul's. */
function isOutage(error: unknown): boolean {
  return !(error instanceof RegistryError) || error.failure === 'unreachable' || error.failure === 'timeout';
}
