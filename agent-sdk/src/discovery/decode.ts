import { readHostAddress } from './address.ts';
import type { Catalog, Instance, InstanceStatus, QuarantinedRecord, Snapshot } from './instance.ts';
import { schemeMetaKey } from './identity.ts';
import { routingKeyMetaKey } from './routing-status.ts';
import { oncePerEndpoint } from './one-endpoint.ts';
import { RegistryError } from './registry-client.ts';

/** Where an answer came from. */
export interface DecodeContext {
  readonly service: string;
  /** The operator's name for the registry; first part of every key. */
  readonly cluster: string;
}

/** Limits on one record: Consul's own on meta (services configuration reference), and generous ones where it has none. */
const limits = {
  tags: 512,
  tagLength: 4096,
  metaPairs: 64,
  metaKey: 128,
  metaValue: 512,
  id: 512,
  weight: 65_535,
};

/** Maximum number of quarantined records shown. Further records are only counted. */
const maxQuarantined = 1000;

/** A record that is invalid. */
class RecordProblem {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** Records read before in the same context, with their results. */
export type DecodedRecords = WeakMap<object, Instance | RecordProblem>;

/**
 * Reads the answer of `/v1/health/service/:name`: the valid instances, sorted by key, and the quarantined records. Each record is judged by itself: an invalid record is quarantined with its
 * reason, and the others are used. Throws only `RegistryError('malformed')`, when the answer is not a list.
 * `known`: records that are the same objects as before are not read again. It belongs to one context.
 */
export function decodeHealth(
  body: unknown,
  context: DecodeContext,
  known: DecodedRecords = new WeakMap(),
): Pick<Snapshot, 'instances' | 'quarantined'> {
  if (!Array.isArray(body)) throw malformed(`the health of ${show(context.service)} is not a list`);
  const listed: Instance[] = [];
  const quarantined: QuarantinedRecord[] = [];
  for (const record of body as readonly unknown[]) {
    const reading = readOnce(record, context, known);
    if (reading instanceof RecordProblem) quarantined.push({ ...placeOf(record), reason: reading.reason });
    else listed.push(reading);
  }
  const { instances, repeated } = sortedOnce(listed);
  for (const { node, id } of repeated) {
    const reason = `id ${show(id)} appears twice on node ${show(node)}`;
    quarantined.push({ node: label(node), id: label(id), reason });
  }
  const { kept, doubles } = oncePerEndpoint(instances);
  for (const { instance, of } of doubles) {
    const reason = `it is one endpoint with ${show(of.id)} on node ${show(of.node)}: same address, port and identity`;
    const key = instance.meta[routingKeyMetaKey];
    quarantined.push({ node: label(instance.node), id: label(instance.id), reason, key });
  }
  const passedOver = quarantined.length - maxQuarantined;
  if (passedOver > 0) {
    quarantined.length = maxQuarantined;
    quarantined.push({ node: '', id: '', reason: `${passedOver} more records are not believed` });
  }
  return { instances: kept, quarantined };
}

/** Sorts by key and separates duplicates; the first of each key stays. Agents usually list in this order, so one comparison a record is enough. */
function sortedOnce(listed: readonly Instance[]): {
  readonly instances: readonly Instance[];
  readonly repeated: readonly Instance[];
} {
  const isBehind = (instance: Instance, at: number, all: readonly Instance[]): boolean =>
    (all[at - 1]?.key ?? '') < instance.key;
  if (listed.every(isBehind)) return { instances: listed, repeated: [] };
  const sorted = [...listed].sort(byKey);
  if (sorted.every(isBehind)) return { instances: sorted, repeated: [] };
  return {
    instances: sorted.filter(isBehind),
    repeated: sorted.filter((instance, at, all) => !isBehind(instance, at, all)),
  };
}

/**
 * Reads the answer of `/v1/catalog/services`, which gives for each service the union of its instances' tags. Limits on tags are per record, so
 * that none holds for the union; a tag that no record may have is left out alone. The map has no prototype, so that no service name can mean
 * anything else. Names that differ in case only are one service for Consul: it stands under the first of them. Throws only `RegistryError('malformed')`, when the answer is not a map.
 */
export function decodeCatalog(body: unknown, index: string): Catalog {
  const services = emptyRecord<readonly string[]>();
  const refused: string[] = [];
  const names = new Map<string, string>();
  const object = asObject(body);
  if (object === undefined) throw malformed('the catalog is not a map of services');
  for (const name of Object.keys(object).sort()) {
    const tags = object[name];
    if (!isText(name, limits.id) || isDots(name) || !(Array.isArray(tags) || tags === null)) {
      refused.push(label(name));
      continue;
    }
    const first = names.get(name.toLowerCase()) ?? name;
    names.set(name.toLowerCase(), first);
    services[first] = [...new Set([...(services[first] ?? []), ...(tags ?? []).filter(isTag)])].sort();
  }
  return { index, services, ...(refused.length === 0 ? {} : { refused }) };
}

/** No path can ask for such a name: it would be a dot segment. */
function isDots(name: string): boolean {
  return name === '.' || name === '..';
}

function isTag(value: unknown): value is string {
  return typeof value === 'string' && value.length <= limits.tagLength;
}

function readOnce(record: unknown, context: DecodeContext, known: DecodedRecords): Instance | RecordProblem {
  if (typeof record !== 'object' || record === null) return readRecord(record, context);
  const before = known.get(record);
  if (before !== undefined) return before;
  const reading = readRecord(record, context);
  known.set(record, reading);
  return reading;
}

function readRecord(record: unknown, context: DecodeContext): Instance | RecordProblem {
  const node = asObject(asObject(record)?.['Node']);
  const service = asObject(asObject(record)?.['Service']);
  if (node === undefined || service === undefined)
    return new RecordProblem('the record has no Node or no Service');
  const nodeName = node['Node'];
  const id = service['ID'];
  if (!isText(nodeName, limits.id))
    return new RecordProblem('the node name is missing, too long or not plain text');
  if (!isText(id, limits.id)) return new RecordProblem('the id is missing, too long or not plain text');
  const name = service['Service'];
  if (typeof name !== 'string' || name.toLowerCase() !== context.service.toLowerCase())
    return new RecordProblem(`the record belongs to ${show(name)}, not to ${show(context.service)}`);
  const kind = service['Kind'];
  // Proxies and gateways of Consul's mesh take over the tags of the service that they stand before, and speak no plain HTTP.
  if (kind !== undefined && kind !== null && kind !== '')
    return new RecordProblem(`it is no instance, but of the kind ${show(kind)}`);
  const address = readAddress(service['Address'], node['Address']);
  if (address instanceof RecordProblem) return address;
  const port = service['Port'];
  if (!isIntegerIn(port, 1, 65_535)) return new RecordProblem(`port ${show(port)} is not in 1..65535`);
  const tags = readTags(service['Tags']);
  if (tags instanceof RecordProblem) return tags;
  const meta = readMeta(service['Meta']);
  if (meta instanceof RecordProblem) return meta;
  const scheme = meta[schemeMetaKey];
  if (scheme !== undefined && scheme !== 'http')
    return new RecordProblem(`it speaks ${show(scheme)}, and requests to instances go out as plain HTTP`);
  const status = readStatus(asObject(record)?.['Checks'], id);
  if (status instanceof RecordProblem) return status;
  return {
    key: `${context.cluster}/${nodeName}/${id}`,
    cluster: context.cluster,
    node: nodeName,
    id,
    service: context.service,
    address,
    port,
    tags,
    meta,
    status,
    weight: readWeight(status, meta, asObject(service['Weights'])),
    // An unknown age counts as the youngest, so that omitting the age wins no route.
    createIndex: isIntegerIn(service['CreateIndex'], 0, Number.MAX_SAFE_INTEGER)
      ? service['CreateIndex']
      : Number.MAX_SAFE_INTEGER,
  };
}

/** The service's own address, or its node's where it has none. */
function readAddress(own: unknown, nodes: unknown): string | RecordProblem {
  const text = own === undefined || own === null || own === '' ? nodes : own;
  if (typeof text !== 'string' || text === '')
    return new RecordProblem('neither the service nor its node has an address');
  return (
    readHostAddress(text) ?? new RecordProblem(`address ${show(text)} is not an IP address or a host name`)
  );
}

function readTags(value: unknown): readonly string[] | RecordProblem {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) return new RecordProblem('the tags are not a list');
  if (value.length > limits.tags)
    return new RecordProblem(`it has ${value.length} tags, more than ${limits.tags}`);
  const tags: string[] = [];
  for (const tag of value as readonly unknown[]) {
    if (typeof tag !== 'string') return new RecordProblem(`tag ${show(tag)} is not a text`);
    if (tag.length > limits.tagLength)
      return new RecordProblem(`a tag is longer than ${limits.tagLength} characters`);
    tags.push(tag);
  }
  return tags;
}

function readMeta(value: unknown): Readonly<Record<string, string>> | RecordProblem {
  const meta = emptyRecord<string>();
  if (value === null || value === undefined) return meta;
  const object = asObject(value);
  if (object === undefined) return new RecordProblem('the meta is not a map');
  const entries = Object.entries(object);
  if (entries.length > limits.metaPairs)
    return new RecordProblem(`it has ${entries.length} meta pairs, more than ${limits.metaPairs}`);
  for (const [key, text] of entries) {
    if (typeof text !== 'string') return new RecordProblem(`meta ${show(key)} is not a text`);
    if (key.length > limits.metaKey || text.length > limits.metaValue)
      return new RecordProblem(`meta ${show(key)} is longer than Consul allows`);
    meta[key] = text;
  }
  return meta;
}

/** The worst of all checks, the node's included; maintenance, of the service or its node, is draining (Consul: `AggregatedStatus`). */
function readStatus(checks: unknown, id: string): InstanceStatus | RecordProblem {
  if (checks === null || checks === undefined) return 'passing';
  if (!Array.isArray(checks)) return new RecordProblem('the checks are not a list');
  const ranks: readonly InstanceStatus[] = ['passing', 'warning', 'critical', 'draining'];
  let worst: InstanceStatus = 'passing';
  for (const entry of checks as readonly unknown[]) {
    const check = asObject(entry);
    const checkId = check?.['CheckID'];
    const isMaintenance = checkId === '_node_maintenance' || checkId === `_service_maintenance:${id}`;
    const said = isMaintenance ? 'draining' : check?.['Status'];
    const status = ranks.find((known) => known === said);
    if (status === undefined)
      return new RecordProblem(`check ${show(checkId)} has the unknown status ${show(said)}`);
    if (ranks.indexOf(status) > ranks.indexOf(worst)) worst = status;
  }
  return worst;
}

/**
 * `Meta.weight` wins over `Weights.Passing`, because common registration libraries drop `Weights`; in the status `warning`
 * `Weights.Warning` comes first. An invalid weight is ignored, so that it does not cost an instance.
 */
function readWeight(
  status: InstanceStatus,
  meta: Readonly<Record<string, string>>,
  weights: JsonObject | undefined,
): number {
  const text = meta['weight'] ?? '';
  const own = /^[1-9]\d{0,4}$/u.test(text) ? Number(text) : undefined;
  const [first, second] = status === 'warning' ? [weights?.['Warning'], own] : [own, weights?.['Passing']];
  if (isIntegerIn(first, 1, limits.weight)) return first;
  return isIntegerIn(second, 1, limits.weight) ? second : 1;
}

function placeOf(record: unknown): Omit<QuarantinedRecord, 'reason'> {
  const node = asObject(asObject(record)?.['Node'])?.['Node'];
  const service = asObject(asObject(record)?.['Service']);
  const key = asObject(service?.['Meta'])?.[routingKeyMetaKey];
  return {
    node: label(node),
    id: label(service?.['ID']),
    ...(typeof key === 'string' ? { key: label(key) } : {}),
  };
}

function label(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 128).replace(/\p{Cc}/gu, '?') : '';
}

function malformed(what: string): RegistryError {
  return new RegistryError('malformed', `Consul's answer makes no sense: ${what}.`);
}

/** Escapes and shortens a foreign value for a message. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return value === null || value === undefined ? 'nothing' : Array.isArray(value) ? 'a list' : 'a map';
}

/** A map of JSON; undefined for anything else. */
export function asObject(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined;
}

function emptyRecord<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>;
}

function isText(value: unknown, maxLength: number): value is string {
  return (
    typeof value === 'string' && value.length >= 1 && value.length <= maxLength && !/\p{Cc}/u.test(value)
  );
}

function isIntegerIn(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
}

function byKey(a: Instance, b: Instance): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
