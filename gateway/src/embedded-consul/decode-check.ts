import {
  type Fields,
  readBoolean,
  readDurationMs,
  readEntries,
  readFields,
  readString,
  says,
} from './fields.ts';
import { type CheckSource, type CheckSpec, type CheckStatus, isCheckStatus } from './records.ts';
import { notSupported, Refusal } from './refusal.ts';

/** Check types of Consul that the embedded agent does not run, and thresholds that it does not keep: refused rather than dropped. */
const unsupported = [
  'Args',
  'ScriptArgs',
  'DockerContainerID',
  'Shell',
  'TCP',
  'UDP',
  'GRPC',
  'GRPCUseTLS',
  'H2PING',
  'H2PingUseTLS',
  'OSService',
  'AliasNode',
  'AliasService',
  'TLSServerName',
  'DisableRedirects',
  'ProxyHTTP',
  'ProxyGRPC',
  'SuccessBeforePassing',
  'FailuresBeforeWarning',
  'FailuresBeforeCritical',
];

/** The keys of a check definition that Consul knows. */
export const checkFields: readonly string[] = [
  ...unsupported,
  'CheckID',
  'Name',
  'Notes',
  'Status',
  'TTL',
  'HTTP',
  'Header',
  'Method',
  'Body',
  'Interval',
  'Timeout',
  'TLSSkipVerify',
  'OutputMaxSize',
  'DeregisterCriticalServiceAfter',
];

const minIntervalMs = 1_000;
const minDeregisterAfterMs = 60_000;
const defaultTimeoutMs = 10_000;

/**
 * Decodes one check definition (agent/check.mdx). Throws a {@link Refusal} with Consul's words for an invalid one,
 * and 501 for a kind of check that is not run here.
 */
export function decodeCheck(
  fields: Fields,
  defaults: { readonly id: string; readonly name: string },
): CheckSpec {
  const deregisterAfterMs = readDurationMs(fields, 'DeregisterCriticalServiceAfter');
  return {
    id: readString(fields, 'CheckID') || defaults.id,
    name: readString(fields, 'Name') || defaults.name,
    notes: readString(fields, 'Notes'),
    status: readStatus(readString(fields, 'Status')),
    source: readSource(fields),
    deregisterAfterMs: deregisterAfterMs > 0 ? Math.max(deregisterAfterMs, minDeregisterAfterMs) : undefined,
  };
}

function readStatus(text: string): CheckStatus {
  if (text === '') return 'critical';
  if (!isCheckStatus(text)) throw new Refusal(400, "Status for checks must 'passing', 'warning', 'critical'");
  return text;
}

function readSource(fields: Fields): CheckSource {
  for (const key of unsupported) if (says(fields, key)) throw notSupported(`${key} in a check is`);
  const ttlMs = readDurationMs(fields, 'TTL');
  const intervalMs = readDurationMs(fields, 'Interval');
  const url = readString(fields, 'HTTP');
  if (url === '') {
    if (ttlMs <= 0) throw new Refusal(400, 'Invalid check: TTL must be > 0 for TTL checks');
    return { kind: 'ttl', ttlMs };
  }
  if (intervalMs > 0 && ttlMs > 0)
    throw new Refusal(400, 'Invalid check: Interval and TTL cannot both be specified');
  if (intervalMs <= 0)
    throw new Refusal(400, 'Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks');
  const timeoutMs = readDurationMs(fields, 'Timeout');
  return {
    kind: 'http',
    url,
    method: readString(fields, 'Method') || 'GET',
    headers: readHeaders(fields),
    body: readString(fields, 'Body'),
    intervalMs: Math.max(intervalMs, minIntervalMs),
    timeoutMs: timeoutMs > 0 ? timeoutMs : defaultTimeoutMs,
    tls: readBoolean(fields, 'TLSSkipVerify') ? 'skip_verify' : 'verify',
  };
}

function readHeaders(fields: Fields): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    readEntries(fields, 'Header').map(([name, values]) => {
      if (!Array.isArray(values) || !values.every((value) => typeof value === 'string')) {
        throw new Refusal(
          400,
          `Request decode failed: Header ${JSON.stringify(name)} must be a list of strings`,
        );
      }
      return [name, values];
    }),
  );
}

/** A check that is registered by itself, and the service that it belongs to (empty: the node). */
export interface CheckRegistration {
  readonly check: CheckSpec;
  readonly serviceId: string;
}

/** Decodes the body of `PUT /v1/agent/check/register`. The id is the name where none is given. */
export function decodeCheckRegistration(body: unknown): CheckRegistration {
  const fields = readFields(body, [...checkFields, 'ID', 'ServiceID', 'Token', 'Namespace', 'Partition']);
  const name = readString(fields, 'Name');
  if (name === '') throw new Refusal(400, 'Missing check name');
  return {
    check: decodeCheck(fields, { id: readString(fields, 'ID') || name, name }),
    serviceId: readString(fields, 'ServiceID'),
  };
}
