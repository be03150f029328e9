/** What a test may say about one row; the rest is as Consul writes it. */
export interface HealthRecordOptions {
  readonly node?: unknown;
  readonly nodeAddress?: unknown;
  readonly service?: unknown;
  readonly address?: unknown;
  readonly port?: unknown;
  readonly tags?: unknown;
  readonly meta?: unknown;
  readonly weights?: unknown;
  readonly createIndex?: unknown;
  readonly kind?: unknown;
  /** Status of the service's own check. */
  readonly status?: unknown;
  /** Instead of the node's and the service's check. */
  readonly checks?: unknown;
}

/** Different for different ids, as processes have different ports; 0 for `a`. */
function portOffset(id: string): number {
  return Buffer.from(id).reduce((sum, byte) => (sum * 31 + byte) % 20_000, 0) - 97;
}

/** One row of `/v1/health/service/:name` in the form of Consul 1.8.7. For tests. */
export function healthRecord(id: unknown, options: HealthRecordOptions = {}): unknown {
  const given = <T>(value: T | undefined, fallback: T): T => (value === undefined ? fallback : value);
  return {
    Node: {
      Node: given(options.node, 'n1'),
      Address: given(options.nodeAddress, '10.0.0.1'),
      Datacenter: 'dc1',
    },
    Service: {
      ID: id,
      ...(options.kind === undefined ? {} : { Kind: options.kind }),
      Service: given(options.service, 'api'),
      Tags: given(options.tags, ['api']),
      Address: given(options.address, '10.0.0.4'),
      Meta: given(options.meta, {}),
      Port: given(options.port, 4000 + (typeof id === 'string' ? portOffset(id) : 0)),
      Weights: given(options.weights, { Passing: 1, Warning: 1 }),
      CreateIndex: given(options.createIndex, 7),
      ModifyIndex: 7,
    },
    Checks: given(options.checks, [
      { CheckID: 'serfHealth', Status: 'passing', ServiceID: '' },
      { CheckID: `${String(id)}:ttl`, Status: given(options.status, 'passing'), ServiceID: id },
    ]),
  };
}
