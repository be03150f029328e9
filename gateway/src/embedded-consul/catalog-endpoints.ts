import { type AgentState, type Call, type Endpoint, type Handler, json, type ReadPlan } from './endpoint.ts';
import { presentCatalogService, presentChecks, presentHealth, presentNode } from './present.ts';
import { readFlag } from './query-options.ts';
import type { ServiceRecord } from './records.ts';
import { Refusal } from './refusal.ts';
import type { Topic } from './table-index.ts';

function read(topic: Topic, index: () => number, value: () => unknown): ReadPlan {
  return { kind: 'read', interest: { topic }, index, reply: () => json(value()), consistency: 'named' };
}

function required(argument: string, what: string): string {
  if (argument === '') throw new Refusal(400, `Missing ${what}`);
  return argument;
}

/** Instances of a service that carry all the asked tags, compared without regard to case as Consul does. */
function instances({ query, state }: Call, name: string): readonly ServiceRecord[] {
  const wanted = query.getAll('tag').filter((tag) => tag !== '');
  if (wanted.length === 0) return state.catalog.servicesNamed(name);
  const lower = wanted.map((tag) => tag.toLowerCase());
  return state.catalog.servicesNamed(name).filter((record) => {
    const tags = new Set(record.spec.tags.map((tag) => tag.toLowerCase()));
    return lower.every((tag) => tags.has(tag));
  });
}

const serviceHealth: Handler = (call) => {
  const { state, query } = call;
  const name = required(call.argument, 'service name');
  const onlyPassing = readFlag(query, 'passing');
  return read(
    `service:${name}`,
    () => state.indexes.service(name),
    () => {
      const nodeChecks = presentChecks(state.catalog.checksOf(''), state.node, state.catalog);
      const nodeIndex = state.indexes.table('nodes');
      return instances(call, name).flatMap((record) => {
        const own = presentChecks(state.catalog.checksOf(record.spec.id), state.node, state.catalog);
        const checks = [...nodeChecks, ...own];
        if (onlyPassing && checks.some((check) => check['Status'] !== 'passing')) return [];
        return [presentHealth(record, state.node, nodeIndex, checks)];
      });
    },
  );
};

const serviceChecks: Handler = ({ argument, state }) => {
  const name = required(argument, 'service name');
  return read(
    `service-checks:${name}`,
    () => state.indexes.table('checks'),
    () =>
      state.catalog
        .servicesNamed(name)
        .flatMap((record) =>
          presentChecks(state.catalog.checksOf(record.spec.id), state.node, state.catalog),
        ),
  );
};

function checksWhere(state: AgentState, wanted: (status: string) => boolean): ReadPlan {
  return read(
    'checks',
    () => state.indexes.table('checks'),
    () =>
      presentChecks(
        state.catalog.checks().filter((record) => wanted(record.status)),
        state.node,
        state.catalog,
      ),
  );
}

const nodeChecks: Handler = ({ argument, state }) => {
  const name = required(argument, 'node name');
  return checksWhere(state, () => name === state.node.name);
};

const stateChecks: Handler = ({ argument, state }) => {
  const wanted = required(argument, 'check state');
  return checksWhere(state, (status) => wanted === 'any' || wanted === status);
};

const catalogServices: Handler = ({ state }) =>
  read(
    'services',
    () => state.indexes.table('services'),
    () => {
      const tags = new Map<string, Set<string>>();
      for (const { spec } of state.catalog.services()) {
        const union = tags.get(spec.name) ?? new Set();
        for (const tag of spec.tags) union.add(tag);
        tags.set(spec.name, union);
      }
      return Object.fromEntries(
        [...tags].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, union]) => [name, [...union]]),
      );
    },
  );

const catalogService: Handler = (call) => {
  const { state } = call;
  const name = required(call.argument, 'service name');
  return read(
    `service:${name}`,
    () => state.indexes.service(name),
    () => instances(call, name).map((record) => presentCatalogService(record, state.node)),
  );
};

const catalogNodes: Handler = ({ state }) =>
  read(
    'nodes',
    () => state.indexes.table('nodes'),
    () => [presentNode(state.node, state.indexes.table('nodes'))],
  );

/** `/v1/catalog/…`, `/v1/health/…` and `/v1/status/…`: reads that block (api-docs/catalog, api-docs/health). */
export const catalogEndpoints: readonly Endpoint[] = [
  { path: '/v1/health/service/', methods: { GET: serviceHealth } },
  { path: '/v1/health/checks/', methods: { GET: serviceChecks } },
  { path: '/v1/health/node/', methods: { GET: nodeChecks } },
  { path: '/v1/health/state/', methods: { GET: stateChecks } },
  { path: '/v1/catalog/services', methods: { GET: catalogServices } },
  { path: '/v1/catalog/service/', methods: { GET: catalogService } },
  { path: '/v1/catalog/nodes', methods: { GET: catalogNodes } },
  { path: '/v1/catalog/datacenters', methods: { GET: ({ state }) => json([state.node.datacenter]) } },
  { path: '/v1/status/leader', methods: { GET: ({ state }) => json(`${state.node.address}:8300`) } },
  { path: '/v1/status/peers', methods: { GET: ({ state }) => json([`${state.node.address}:8300`]) } },
];
