import { decodeCheckRegistration } from './decode-check.ts';
import { decodeRegistration } from './decode-registration.ts';
import { type Call, done, type Endpoint, type Handler, json, type Reply } from './endpoint.ts';
import { parseJsonBody, readFields, readString } from './fields.ts';
import { parseGoBool } from './go-values.ts';
import { presentAgentService, presentCheck, presentSelf } from './present.ts';
import type { MaintenanceMode } from './catalog-state.ts';
import { type CheckStatus, isCheckStatus } from './records.ts';
import { notSupported, Refusal } from './refusal.ts';

/** Consul cuts what a check says (`check_output_max_size`). */
const maxOutputBytes = 4_096;

// Since 1.11 an unknown id is 404 for all of these, in these words; 1.8 answers 500 for checks and 200 for deregistrations.
const unknownService = (id: string): Refusal =>
  new Refusal(
    404,
    `Unknown service ID ${JSON.stringify(id)}. Ensure that the service ID is passed, not the service name.`,
  );
const unknownCheck = (id: string): Refusal =>
  new Refusal(
    404,
    `Unknown check ID ${JSON.stringify(id)}. Ensure that the check ID is passed, not the check name.`,
  );

function clip(output: string): string {
  const bytes = Buffer.from(output);
  if (bytes.length <= maxOutputBytes) return output;
  const kept = bytes.subarray(0, maxOutputBytes).toString('utf8');
  return `${kept} ... (captured ${maxOutputBytes} of ${bytes.length} bytes)`;
}

const registerService: Handler = ({ body, query, state, nowMs }) => {
  const others = query.has('replace-existing-checks') ? 'replace' : 'keep';
  state.catalog.registerService(decodeRegistration(parseJsonBody(body)), others, nowMs);
  return done;
};

const deregisterService: Handler = ({ argument, state }) => {
  if (argument === '') throw new Refusal(400, 'Missing service ID');
  if (state.catalog.deregisterService(argument) === 'unknown') throw unknownService(argument);
  return done;
};

function readMaintenance(query: URLSearchParams): MaintenanceMode {
  const text = query.get('enable') ?? '';
  if (text === '') throw new Refusal(400, 'Missing value for enable');
  const on = parseGoBool(text);
  if (on === undefined) throw new Refusal(400, `Invalid value for enable: ${JSON.stringify(text)}`);
  return on ? { on, reason: query.get('reason') ?? '' } : { on };
}

const serviceMaintenance: Handler = ({ argument, query, state, nowMs }) => {
  if (argument === '') throw new Refusal(400, 'Missing service ID');
  const mode = readMaintenance(query);
  if (state.catalog.setMaintenance(argument, mode, nowMs) === 'unknown') throw unknownService(argument);
  return done;
};

const nodeMaintenance: Handler = ({ query, state, nowMs }) => {
  state.catalog.setMaintenance('', readMaintenance(query), nowMs);
  return done;
};

const listServices: Handler = ({ state }) =>
  json(
    Object.fromEntries(
      [...state.catalog.services()]
        .filter((record) => record.origin === 'agent')
        .sort((a, b) => (a.spec.id < b.spec.id ? -1 : 1))
        .map((record) => [record.spec.id, presentAgentService(record)]),
    ),
  );

const readService: Handler = ({ argument, query, state }) => {
  if ((query.get('hash') ?? '') !== '') throw notSupported('Blocking on ?hash is');
  const record = state.catalog.service(argument);
  if (record === undefined) return { kind: 'text', status: 404, text: `unknown service ID: ${argument}` };
  return json(presentAgentService(record));
};

const listChecks: Handler = ({ state }) =>
  json(
    Object.fromEntries(
      state.catalog
        .checks()
        .filter((record) => record.spec.source.kind !== 'none' || record.type === 'maintenance')
        .map((record) => [
          record.spec.id,
          presentCheck(record, state.node, state.catalog.service(record.serviceId), 'agent'),
        ]),
    ),
  );

function setCheck({ argument, state, nowMs }: Call, status: CheckStatus, output: string): Reply {
  const record = state.catalog.check(argument);
  if (record === undefined) throw unknownCheck(argument);
  if (record.spec.source.kind !== 'ttl')
    throw new Refusal(500, `CheckID ${JSON.stringify(argument)} does not have associated TTL`);
  state.catalog.updateCheck(argument, status, clip(output), nowMs);
  return done;
}

const setCheckTo =
  (status: CheckStatus): Handler =>
  (call) =>
    setCheck(call, status, call.query.get('note') ?? '');

const updateCheck: Handler = (call) => {
  const fields = readFields(parseJsonBody(call.body), ['Status', 'Output', 'CheckID']);
  const status = readString(fields, 'Status');
  if (!isCheckStatus(status)) throw new Refusal(400, `Invalid check status: '${status}'`);
  return setCheck(call, status, readString(fields, 'Output'));
};

const registerCheck: Handler = ({ body, state, nowMs }) => {
  state.catalog.registerCheck(decodeCheckRegistration(parseJsonBody(body)), nowMs);
  return done;
};

const deregisterCheck: Handler = ({ argument, state }) => {
  if (state.catalog.deregisterCheck(argument) === 'unknown') throw unknownCheck(argument);
  return done;
};

/** `/v1/agent/…`: what this agent itself holds, and every write to it (api-docs/agent). */
export const agentEndpoints: readonly Endpoint[] = [
  { path: '/v1/agent/self', methods: { GET: ({ state }) => json(presentSelf(state.node)) } },
  { path: '/v1/agent/services', methods: { GET: listServices } },
  { path: '/v1/agent/service/', methods: { GET: readService } },
  { path: '/v1/agent/service/register', methods: { PUT: registerService } },
  { path: '/v1/agent/service/deregister/', methods: { PUT: deregisterService } },
  { path: '/v1/agent/service/maintenance/', methods: { PUT: serviceMaintenance } },
  { path: '/v1/agent/maintenance', methods: { PUT: nodeMaintenance } },
  { path: '/v1/agent/checks', methods: { GET: listChecks } },
  { path: '/v1/agent/check/register', methods: { PUT: registerCheck } },
  { path: '/v1/agent/check/deregister/', methods: { PUT: deregisterCheck } },
  { path: '/v1/agent/check/pass/', methods: { PUT: setCheckTo('passing') } },
  { path: '/v1/agent/check/warn/', methods: { PUT: setCheckTo('warning') } },
  { path: '/v1/agent/check/fail/', methods: { PUT: setCheckTo('critical') } },
  { path: '/v1/agent/check/update/', methods: { PUT: updateCheck } },
];
