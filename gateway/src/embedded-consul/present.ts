import type { CatalogState } from './catalog-state.ts';
import type { KvRecord } from './kv-state.ts';
import type { CheckRecord, NodeFacts, ServiceRecord, TaggedAddress } from './records.ts';

/** Records in the shapes of Consul's JSON, key by key as 1.8.7 writes them (newer versions only add keys). */
export type Json = Readonly<Record<string, unknown>>;

const presentAddresses = (addresses: Readonly<Record<string, TaggedAddress>>): Json =>
  Object.fromEntries(
    Object.entries(addresses).map(([tag, { address, port }]) => [tag, { Address: address, Port: port }]),
  );

const optionalAddresses = (key: string, addresses: Readonly<Record<string, TaggedAddress>>): Json =>
  Object.keys(addresses).length === 0 ? {} : { [key]: presentAddresses(addresses) };

const presentWeights = (record: ServiceRecord): Json => ({
  Passing: record.spec.weights.passing,
  Warning: record.spec.weights.warning,
});

const nodeAddresses = (node: NodeFacts): Json => ({ lan: node.address, wan: node.address });

/** One entry of `/v1/agent/services`. */
export function presentAgentService({ spec, ...record }: ServiceRecord): Json {
  return {
    ID: spec.id,
    Service: spec.name,
    Tags: spec.tags,
    Meta: spec.meta ?? {},
    Port: spec.port,
    Address: spec.address,
    ...optionalAddresses('TaggedAddresses', spec.taggedAddresses),
    Weights: presentWeights({ spec, ...record }),
    EnableTagOverride: spec.enableTagOverride,
  };
}

/** The node of `/v1/catalog/nodes` and of health results. */
export function presentNode(node: NodeFacts, index: number): Json {
  return {
    ID: node.id,
    Node: node.name,
    Address: node.address,
    Datacenter: node.datacenter,
    TaggedAddresses: nodeAddresses(node),
    Meta: {},
    CreateIndex: index,
    ModifyIndex: index,
  };
}

/** A check as `view` sees it: the agent's own list has no indexes and the newest output. */
export function presentCheck(
  record: CheckRecord,
  node: NodeFacts,
  service: ServiceRecord | undefined,
  view: 'agent' | 'catalog',
): Json {
  return {
    Node: node.name,
    CheckID: record.spec.id,
    Name: record.spec.name,
    Status: record.status,
    Notes: record.spec.notes,
    Output: view === 'agent' ? record.output : record.catalogOutput,
    ServiceID: record.serviceId,
    ServiceName: service?.spec.name ?? '',
    ServiceTags: service?.spec.tags ?? [],
    Type: record.type,
    Definition: {},
    CreateIndex: view === 'agent' ? 0 : record.createIndex,
    ModifyIndex: view === 'agent' ? 0 : record.modifyIndex,
  };
}

/** Checks of the catalog with their services' names. */
export function presentChecks(
  records: readonly CheckRecord[],
  node: NodeFacts,
  catalog: CatalogState,
): readonly Json[] {
  return records.map((record) => presentCheck(record, node, catalog.service(record.serviceId), 'catalog'));
}

/** One instance of `/v1/health/service/:name`: node, service, and the checks of both, the node's first. */
export function presentHealth(
  record: ServiceRecord,
  node: NodeFacts,
  nodeIndex: number,
  checks: readonly Json[],
): Json {
  const { spec } = record;
  return {
    Node: presentNode(node, nodeIndex),
    Service: {
      ID: spec.id,
      Service: spec.name,
      Tags: spec.tags,
      Address: spec.address,
      ...optionalAddresses('TaggedAddresses', spec.taggedAddresses),
      Meta: spec.meta ?? null,
      Port: spec.port,
      Weights: presentWeights(record),
      EnableTagOverride: spec.enableTagOverride,
      Proxy: { MeshGateway: {}, Expose: {} },
      Connect: {},
      CreateIndex: record.createIndex,
      ModifyIndex: record.modifyIndex,
    },
    Checks: checks,
  };
}

/** One instance of `/v1/catalog/service/:name`. */
export function presentCatalogService(record: ServiceRecord, node: NodeFacts): Json {
  const { spec } = record;
  return {
    ID: node.id,
    Node: node.name,
    Address: node.address,
    Datacenter: node.datacenter,
    TaggedAddresses: nodeAddresses(node),
    NodeMeta: {},
    ServiceKind: '',
    ServiceID: spec.id,
    ServiceName: spec.name,
    ServiceTags: spec.tags,
    ServiceAddress: spec.address,
    ...optionalAddresses('ServiceTaggedAddresses', spec.taggedAddresses),
    ServiceWeights: presentWeights(record),
    ServiceMeta: spec.meta ?? {},
    ServicePort: spec.port,
    ServiceEnableTagOverride: spec.enableTagOverride,
    ServiceProxy: { MeshGateway: {}, Expose: {} },
    ServiceConnect: {},
    CreateIndex: record.createIndex,
    ModifyIndex: record.modifyIndex,
  };
}

/** One entry of `/v1/kv`; an empty value is null, as in Consul. */
export function presentKv(record: KvRecord): Json {
  return {
    LockIndex: 0,
    Key: record.key,
    Flags: record.flags,
    Value: record.value.length === 0 ? null : record.value.toString('base64'),
    CreateIndex: record.createIndex,
    ModifyIndex: record.modifyIndex,
  };
}

/** `/v1/agent/self`, as far as an agent without a cluster has something to say. */
export function presentSelf(node: NodeFacts): Json {
  return {
    Config: {
      Datacenter: node.datacenter,
      NodeName: node.name,
      NodeID: node.id,
      Revision: '',
      Server: true,
      Version: '0.0.0+roundhouse-embedded',
    },
    Member: { Name: node.name, Addr: node.address, Port: 8301, Tags: { dc: node.datacenter }, Status: 1 },
    Meta: {},
  };
}
