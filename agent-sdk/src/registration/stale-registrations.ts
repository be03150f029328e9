import {
  type RegistryClient,
  RegistryError,
  type RegistryFailure,
  type ServiceDefinition,
} from '../discovery/registry-client.ts';

import type { Report } from './log.ts';
import { isRecord } from './option-rules.ts';
import { stoppingReason } from './service-definition.ts';

/** What killed processes left in Consul and what would harm this instance. */
export interface StaleRegistrations {
  /**
   * Before registering: removes what crashed at this instance's address and port. Once per address: later, siblings that share
   * the port (cluster workers) would be taken for stale again and again.
   */
  remove(definition: ServiceDefinition): Promise<void>;
  /**
   * After registering, for an id that may have been used before, and after {@link StaleRegistrations.suspect}: ends a maintenance that was
   * left behind ({@link isLeftStopping}), and says when several agents have the instance.
   */
  settle(definition: ServiceDefinition): Promise<void>;
  /** The agent did not know what was registered: perhaps it is not the agent that it was registered with. */
  readonly suspect: () => void;
}

/** The first two methods reject when Consul can't be reached; its refusals are ignored, since cleaning up is optional. */
export function createStaleRegistrations(parts: {
  readonly client: RegistryClient;
  /** Gives a call its deadline. */
  readonly call: <T>(what: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  readonly report: Report;
  /** Whether a process before this one may have had the same id. */
  readonly idMayBeReused: boolean;
}): StaleRegistrations {
  const { client, call, report } = parts;
  let cleanedAddress: string | undefined;
  /** How many times more the registry is asked who has the instance. */
  let doubts = parts.idMayBeReused ? 1 : 0;
  let reported = '';
  const cleaned = (what: string): void => {
    report('info', 'stale_instance_removed', what);
  };
  return {
    async remove(definition) {
      const { Address: address, Port: port } = definition;
      if (cleanedAddress === address) return;
      await unlessRefused(async () => {
        const services = await call((signal) => client.agentServices({ signal }));
        for (const id of staleInstanceIds(services.body, definition)) {
          await call((signal) => client.deregisterService(id, signal));
          cleaned(`removed ${id}, left behind at ${address}:${port}`);
        }
      });
      cleanedAddress = address;
    },
    suspect() {
      // What was just registered may not be in the first answer.
      doubts = 2;
    },
    async settle({ ID: id, Name: name }) {
      if (doubts === 0) return;
      await unlessRefused(async () => {
        const health = await call((signal) => client.serviceHealth(name, { signal }));
        if (isLeftStopping(health.body, id)) {
          await call((signal) => client.setMaintenance(id, { enable: false, reason: '' }, signal));
          cleaned(`ended the maintenance that a killed predecessor left on ${id}`);
        }
        const nodes = nodesWith(health.body, id).join(', ');
        if (nodes.includes(', ') && nodes !== reported)
          report('warn', 'several_agents', severalAgents(client, id, nodes));
        reported = nodes;
        doubts -= 1;
      });
    },
  };
}

const unanswered: readonly RegistryFailure[] = ['unreachable', 'exhausted', 'timeout'];

/** Acts, and ignores a refusal by Consul. Rejects when Consul can't be reached. */
export async function unlessRefused(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    const refused = error instanceof RegistryError && !unanswered.includes(error.failure);
    if (!refused) throw error;
  }
}

/**
 * Ids that a crashed process left behind: same service, same address, same port, other id. Two live processes cannot listen
 * there at once. The body is what `/v1/agent/services` answered; entries that do not look like a record are ignored.
 */
export function staleInstanceIds(agentServices: unknown, own: ServiceDefinition): readonly string[] {
  if (!isRecord(agentServices)) return [];
  return Object.values(agentServices).flatMap((entry) =>
    isRecord(entry) &&
    typeof entry['ID'] === 'string' &&
    entry['ID'] !== own.ID &&
    entry['Service'] === own.Name &&
    entry['Address'] === own.Address &&
    entry['Port'] === own.Port
      ? [entry['ID']]
      : [],
  );
}

/**
 * Whether a process with the same id was killed between its maintenance and its deregistration. Consul keeps the maintenance
 * when the id is registered again, and the new process would never get a request. The body is what
 * `/v1/health/service/:name` answered; entries that do not look like a record are ignored.
 */
export function isLeftStopping(serviceHealth: unknown, id: string): boolean {
  return listOf(serviceHealth).some((row) =>
    listOf(isRecord(row) ? row['Checks'] : undefined).some(
      (check) =>
        isRecord(check) &&
        check['CheckID'] === `_service_maintenance:${id}` &&
        check['Notes'] === stoppingReason,
    ),
  );
}

/** Nodes whose agents have an instance of this id. The body is what `/v1/health/service/:name` answered. */
export function nodesWith(serviceHealth: unknown, id: string): readonly string[] {
  return listOf(serviceHealth).flatMap((row) => {
    const [node, service] = isRecord(row) ? [row['Node'], row['Service']] : [];
    const name = isRecord(node) ? node['Node'] : undefined;
    return isRecord(service) && service['ID'] === id && typeof name === 'string' ? [name] : [];
  });
}

function severalAgents(client: RegistryClient, id: string, nodes: string): string {
  return (
    `${id} is registered with the Consul agents of ${nodes}. Either ${client.description} leads to several agents: a ` +
    'registration belongs to one, so use the agent of this host. Or another agent had this id before: its record goes when its check fails'
  );
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
