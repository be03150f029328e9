import { type Endpoint, type Handler, json, type ReadPlan, type Reply } from './endpoint.ts';
import { parseUint64 } from './go-values.ts';
import type { KvRecord, KvState } from './kv-state.ts';
import { presentKv } from './present.ts';
import { notSupported, Refusal } from './refusal.ts';

/** Consul's answer to a key or tree that isn't there: 404 without a body, but with an index to block on. */
const absent: Reply = { kind: 'text', status: 404, text: '' };

function refuseLocks(query: URLSearchParams): void {
  for (const key of ['acquire', 'release']) if (query.has(key)) throw notSupported(`Locks (?${key}) are`);
}

function readCas(query: URLSearchParams): number | undefined {
  const text = query.get('cas');
  if (text === null || text === '') return undefined;
  const cas = parseUint64(text);
  if (cas === undefined) throw new Refusal(400, `Invalid cas value ${JSON.stringify(text)}`);
  return cas;
}

function readFlags(query: URLSearchParams): number {
  const flags = parseUint64(query.get('flags') ?? '0');
  if (flags === undefined || !Number.isSafeInteger(flags)) throw new Refusal(400, 'Invalid flags value');
  return flags;
}

function keyPlan(kv: KvState, key: string, present: (record: KvRecord) => Reply): ReadPlan {
  if (key === '') throw new Refusal(400, 'Missing key name');
  return {
    kind: 'read',
    interest: { topic: 'kv', concerns: (changed) => changed === key },
    index: () => kv.indexOf(key),
    reply() {
      const record = kv.get(key);
      return record === undefined ? absent : present(record);
    },
    consistency: 'unnamed',
  };
}

function treePlan(kv: KvState, prefix: string, present: (records: readonly KvRecord[]) => Reply): ReadPlan {
  return {
    kind: 'read',
    interest: { topic: 'kv', concerns: (changed) => changed.startsWith(prefix) },
    index: () => kv.indexUnder(prefix),
    reply() {
      const records = kv.list(prefix);
      return records.length === 0 ? absent : present(records);
    },
    consistency: 'unnamed',
  };
}

/** Keys under a prefix, each cut after the first separator beyond it, named once. */
function namesUnder(records: readonly KvRecord[], prefix: string, separator: string): readonly string[] {
  if (separator === '') return records.map((record) => record.key);
  const names = records.map(({ key }) => {
    const at = key.indexOf(separator, prefix.length);
    return at === -1 ? key : key.slice(0, at + separator.length);
  });
  return [...new Set(names)];
}

const readKv: Handler = ({ argument, query, state: { kv } }) => {
  if (query.has('keys')) {
    const separator = query.get('separator') ?? '';
    return treePlan(kv, argument, (records) => json(namesUnder(records, argument, separator)));
  }
  if (query.has('recurse')) return treePlan(kv, argument, (records) => json(records.map(presentKv)));
  if (query.has('raw'))
    return keyPlan(kv, argument, (record) => ({ kind: 'raw', status: 200, bytes: record.value }));
  return keyPlan(kv, argument, (record) => json([presentKv(record)]));
};

const writeKv: Handler = ({ argument, query, body, state: { kv } }) => {
  refuseLocks(query);
  if (argument === '') throw new Refusal(400, 'Missing key name');
  return json(kv.put(argument, body, readFlags(query), readCas(query)));
};

const deleteKv: Handler = ({ argument, query, state: { kv } }) => {
  const cas = readCas(query);
  if (!query.has('recurse')) {
    if (argument === '') throw new Refusal(400, 'Missing key name');
    return json(kv.delete(argument, cas));
  }
  if (cas !== undefined) throw new Refusal(400, `Conflicting flags: ${query.toString()}`);
  kv.deleteTree(argument);
  return json(true);
};

/** `/v1/kv/…` without sessions and locks (api-docs/kv). */
export const kvEndpoints: readonly Endpoint[] = [
  { path: '/v1/kv/', methods: { GET: readKv, PUT: writeKv, DELETE: deleteKv } },
];
