import type { CheckRecord, NodeFacts, ServiceRecord, ServiceSpec } from './records.ts';

/** Records in the shapes of Consul's JSON, key by key as 1.8.7 writes them (newer versions only add keys). */
type ConsulJson = Readonly<Record<string, unknown>>;

const serviceFields = ({
  id,
  name,
  tags,
  address,
  port,
  taggedAddresses,
  weights,
}: ServiceSpec): ConsulJson => ({
  ID: id,
  Service: name,
  Tags: tags,
  Address: address,
  Port: port,
  ...(taggedAddresses === undefined ? {} : { TaggedAddresses: taggedAddresses }),
  Weights: { Passing: weights.passing, Warning: weights.warning },
  EnableTagOverride: false,
});

/** One entry of `/v1/agent/services`. */
export function agentServiceJson({ spec }: ServiceRecord): ConsulJson {
  return { ...serviceFields(spec), Meta: spec.meta ?? {} };
}

/** One instance of `/v1/health/service/:name`: node, service, and the checks of both, the node's first. */
export function serviceHealthJson(record: ServiceRecord, node: NodeFacts): ConsulJson {
  const { spec, checks, createIndex, modifyIndex } = record;
  return {
    Node: {
      ID: node.id,
      Node: node.name,
      Address: node.address,
      Datacenter: node.datacenter,
      TaggedAddresses: { lan: node.address, wan: node.address },
      Meta: {},
      CreateIndex: 1,
      ModifyIndex: 1,
    },
    Service: {
      ...serviceFields(spec),
      Meta: spec.meta ?? null,
      CreateIndex: createIndex,
      ModifyIndex: modifyIndex,
    },
    Checks: [nodeCheckJson(node), ...checks.map((check) => checkJson(check, spec, node))],
  };
}

/** The check that every node has; in a real cluster gossip sets it. */
const nodeCheckJson = (node: NodeFacts): ConsulJson => ({
  Node: node.name,
  CheckID: 'serfHealth',
  Name: 'Serf Health Status',
  Status: 'passing',
  Notes: '',
  Output: 'Agent alive and reachable',
  ServiceID: '',
  ServiceName: '',
  ServiceTags: [],
  Type: '',
});

const checkJson = (
  { spec, status, output }: CheckRecord,
  service: ServiceSpec,
  node: NodeFacts,
): ConsulJson => ({
  Node: node.name,
  CheckID: spec.id,
  Name: spec.name,
  Status: status,
  Notes: spec.notes,
  Output: output,
  ServiceID: service.id,
  ServiceName: service.name,
  ServiceTags: service.tags,
  Type: spec.source.kind,
});
