import { agentServiceJson, serviceHealthJson } from './consul-json.ts';
import { decodeRegistration } from './decode-registration.ts';
import { HttpError } from './http-error.ts';
import type { KeyFilter } from './key-values.ts';
import { type AgentReply, blockingOptions, done, json, type Operation } from './operation.ts';
import { readFlag } from './read-query.ts';
import type { ConsulStatus, ServiceRecord } from './records.ts';

/** Consul cuts the output of a check (`check_output_max_size`). */
const maxOutputBytes = 4_096;

const required = (argument: string, what: string): string => {
  if (argument === '') throw new HttpError(400, `Missing ${what}`);
  return argument;
};
// Since 1.11 an unknown id is 404; 1.8 answers 500 for checks and 200 for deregistrations.
const unknown = (what: string, id: string): HttpError =>
  new HttpError(404, `Unknown ${what} ID ${JSON.stringify(id)}`);

const registerService: Operation['run'] = ({ body, state, nowMs }) => {
  state.catalog.register(decodeRegistration(body), nowMs);
  return done;
};

const deregisterService: Operation['run'] = ({ argument, state }) => {
  if (!state.catalog.deregister(required(argument, 'service ID'))) throw unknown('service', argument);
  return done;
};

const setMaintenance: Operation['run'] = ({ argument, query, state }) => {
  const id = required(argument, 'service ID');
  if ((query.get('enable') ?? '') === '') throw new HttpError(400, 'Missing value for enable');
  const reason = readFlag(query, 'enable') ? (query.get('reason') ?? '') : undefined;
  if (!state.catalog.setMaintenance(id, reason)) throw unknown('service', id);
  return done;
};

const setCheckTo =
  (status: ConsulStatus): Operation['run'] =>
  ({ argument, query, state, nowMs }) => {
    const check = state.catalog.check(argument);
    if (check === undefined) throw unknown('check', argument);
    if (check.spec.source.kind !== 'ttl')
      throw new HttpError(500, `CheckID ${JSON.stringify(argument)} does not have associated TTL`);
    const note = Buffer.from(query.get('note') ?? '');
    const output = note.subarray(0, maxOutputBytes).toString('utf8');
    state.catalog.update(argument, { status, output }, nowMs);
    return done;
  };

const agentServices: Operation['run'] = ({ state }) =>
  json(
    Object.fromEntries(state.catalog.services().map((record) => [record.spec.id, agentServiceJson(record)])),
  );

const agentService: Operation['run'] = ({ argument, state }) => {
  const record = state.catalog.services().find(({ spec }) => spec.id === required(argument, 'service ID'));
  if (record === undefined) throw new HttpError(404, `unknown service ID: ${argument}`);
  return json(agentServiceJson(record));
};

const isPassing = ({ checks }: ServiceRecord): boolean => checks.every(({ status }) => status === 'passing');

const serviceHealth: Operation['run'] = ({ argument, query, state: { catalog, node } }) => {
  const name = required(argument, 'service name');
  const onlyPassing = readFlag(query, 'passing');
  return {
    topic: `service:${name}`,
    index: () => catalog.indexOf(name),
    reply() {
      const instances = catalog.instances(name).filter((record) => !onlyPassing || isPassing(record));
      return json(instances.map((record) => serviceHealthJson(record, node)));
    },
  };
};

const catalogServices: Operation['run'] = ({ state: { catalog } }) => ({
  topic: 'services',
  index: () => catalog.servicesIndex(),
  reply() {
    // A real Consul lists itself, so that its catalog is never empty.
    const tags = new Map<string, Set<string>>([['consul', new Set()]]);
    for (const { spec } of catalog.services())
      tags.set(spec.name, new Set([...(tags.get(spec.name) ?? []), ...spec.tags]));
    const sorted = [...tags].sort(([a], [b]) => (a < b ? -1 : 1));
    return json(Object.fromEntries(sorted.map(([name, all]) => [name, [...all]])));
  },
});

/** Consul's answer to a missing key or prefix: an empty 404, with an index to block on. */
const absent: AgentReply = { status: 404, text: '' };

const readKeys: Operation['run'] = ({ argument, query, state: { keyValues } }) => {
  const key = query.has('recurse') ? argument : required(argument, 'key name');
  const isAsked: KeyFilter = query.has('recurse') ? (at) => at.startsWith(key) : (at) => at === key;
  const reply = (): AgentReply => {
    const found = keyValues.list(isAsked);
    return found.length === 0 ? absent : json(found);
  };
  return { topic: 'kv', index: () => keyValues.indexOf(isAsked), reply };
};

const putKey: Operation['run'] = ({ argument, body, state }) => {
  state.keyValues.put(required(argument, 'key name'), body);
  return json(true);
};

const deleteKey: Operation['run'] = ({ argument, state }) => {
  state.keyValues.delete(required(argument, 'key name'));
  return json(true);
};

/** The API of the embedded agent (api-docs/agent, api-docs/health, api-docs/catalog, api-docs/kv). */
export const operations: readonly Operation[] = [
  { method: 'PUT', path: '/v1/agent/service/register', query: [], run: registerService },
  { method: 'PUT', path: '/v1/agent/service/deregister/', query: [], run: deregisterService },
  {
    method: 'PUT',
    path: '/v1/agent/service/maintenance/',
    query: ['enable', 'reason'],
    run: setMaintenance,
  },
  { method: 'PUT', path: '/v1/agent/check/pass/', query: ['note'], run: setCheckTo('passing') },
  { method: 'PUT', path: '/v1/agent/check/warn/', query: ['note'], run: setCheckTo('warning') },
  { method: 'PUT', path: '/v1/agent/check/fail/', query: ['note'], run: setCheckTo('critical') },
  { method: 'GET', path: '/v1/agent/services', query: [], run: agentServices },
  { method: 'GET', path: '/v1/agent/service/', query: [], run: agentService },
  {
    method: 'GET',
    path: '/v1/health/service/',
    query: ['passing', ...blockingOptions],
    run: serviceHealth,
  },
  { method: 'GET', path: '/v1/catalog/services', query: blockingOptions, run: catalogServices },
  { method: 'GET', path: '/v1/kv/', query: ['recurse', ...blockingOptions], run: readKeys },
  { method: 'PUT', path: '/v1/kv/', query: [], run: putKey },
  { method: 'DELETE', path: '/v1/kv/', query: [], run: deleteKey },
];
