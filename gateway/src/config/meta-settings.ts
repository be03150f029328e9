import type { Snapshot } from '@roundhouse/agent-sdk/internal';

import type { z } from 'zod';

import type { CheckSettings, ServiceOverrides } from './gateway-config.ts';
import { milliseconds } from './rules.ts';
import { serviceFields } from './service-schema.ts';

/** A setting in the meta of an instance that is invalid. */
export interface InvalidSetting {
  /** `slow-start-ms=soon` */
  readonly setting: string;
  /** What is allowed. */
  readonly allowed: string;
}

/** The settings that a service asks for. */
export interface MetaSettings {
  readonly overrides: ServiceOverrides;
  readonly invalid: readonly InvalidSetting[];
}

/** The settings of a service that asks for none. */
export const noMetaSettings: MetaSettings = { overrides: {}, invalid: [] };

/** How one setting is read: the overrides it means, or what is allowed. */
type Reader = (text: string) => { readonly override: ServiceOverrides } | { readonly allowed: string };

/** Reads by the rule that the configuration has for the setting. `valueOf`: what the rule judges; undefined for a text that is none. */
function reader<T>(
  rule: z.ZodType<T>,
  override: (value: T) => ServiceOverrides,
  valueOf: (text: string) => unknown = (text) => text,
): Reader {
  return (text) => {
    const { data, error } = rule.safeParse(valueOf(text));
    return error === undefined ? { override: override(data) } : { allowed: error.issues[0]?.message ?? '' };
  };
}

const whole = (text: string): number | undefined => (/^\d{1,10}$/.test(text) ? Number(text) : undefined);
const decimal = (text: string): number | undefined =>
  /^(?:\d|\d?\.\d{1,6})$/.test(text) ? Number(text) : undefined;

const fields = serviceFields;
const { limit: queueLimit } = fields.queue.unwrap().shape;

/** Every key, as it stands in the meta of an instance: Consul allows letters, digits, `-` and `_` there. */
const readers = new Map<string, Reader>([
  ['balance', reader(fields.balance.unwrap(), (balance) => ({ balance }))],
  ['hash', reader(fields.hash.unwrap(), (hash) => ({ hash }))],
  ['sticky', reader(fields.sticky.unwrap(), (sticky) => ({ sticky }))],
  ['slow-start-ms', reader(fields.slowStartMs.unwrap(), (slowStartMs) => ({ slowStartMs }), whole)],
  ['queue-limit', reader(queueLimit.unwrap(), (limit) => ({ queue: { limit } }), whole)],
  ['queue-timeout-ms', reader(milliseconds(0), (timeoutMs) => ({ queue: { timeoutMs } }), whole)],
  ['max-requests', reader(fields.maxRequests.unwrap(), (maxRequests) => ({ maxRequests }), whole)],
  ['max-retries', reader(fields.maxRetries.unwrap(), (maxRetries) => ({ maxRetries }), whole)],
  ['panic-ratio', reader(fields.panicRatio.unwrap(), (panicRatio) => ({ panicRatio }), decimal)],
  ['check', readCheck],
]);

/** `off`, `tcp` or `http:/path`. The configuration sets interval and timeout. */
function readCheck(text: string): ReturnType<Reader> {
  if (text === 'off' || text === 'tcp') return { override: { checks: { kind: text } } };
  const path = /^http:(\/[!-"$-~]{0,400})$/.exec(text)?.[1];
  return path === undefined
    ? { allowed: 'off, tcp or http:/path' }
    : { override: { checks: { kind: 'http', path } } };
}

/**
 * The settings that a service asks for: those of its newest registration (the largest creation index, then the last key), so that a
 * deployment that changes them takes effect with its first instance. They come from its meta. `balance=…` may also come from a tag, for
 * libraries that can only send tags; the meta wins. Invalid settings are left out and reported. Undefined for a service without instances.
 */
export function readMetaSettings({ instances }: Snapshot): MetaSettings | undefined {
  const newest = instances.reduce<(typeof instances)[number] | undefined>(
    (best, instance) => (best === undefined || instance.createIndex >= best.createIndex ? instance : best),
    undefined,
  );
  if (newest === undefined) return undefined;
  const balanceTag = newest.tags.find((tag) => tag.startsWith('balance='));
  const said = new Map(balanceTag === undefined ? [] : [['balance', balanceTag.slice('balance='.length)]]);
  for (const key of readers.keys()) {
    const text = newest.meta[key];
    if (text !== undefined) said.set(key, text);
  }
  return [...said].reduce((settings, [key, text]) => withSetting(settings, key, text), noMetaSettings);
}

function withSetting(settings: MetaSettings, key: string, text: string): MetaSettings {
  const reading = readers.get(key)?.(text.trim());
  if (reading === undefined) return settings;
  if ('allowed' in reading) {
    const row = { setting: `${key}=${text.slice(0, 60)}`, allowed: reading.allowed };
    return { ...settings, invalid: [...settings.invalid, row] };
  }
  const { override } = reading;
  const { overrides } = settings;
  const queue = { ...overrides.queue, ...override.queue };
  const checks: Partial<CheckSettings> = { ...overrides.checks, ...override.checks };
  return { ...settings, overrides: { ...overrides, ...override, queue, checks } };
}
