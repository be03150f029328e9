import type { Snapshot } from '@roundhouse/agent-sdk/internal';

import type { CheckSettings, ServiceOverrides } from '../../config/gateway-config.ts';
import { parseHashSource } from '../../config/hash-source.ts';

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

/** How one setting is read: the overrides it means, or undefined for a value that is not allowed. */
interface Reader {
  readonly allowed: string;
  read(text: string): ServiceOverrides | undefined;
}

const longestTimerMs = 2_147_483_647;

function wholeNumber(max: number, unit: string, override: (value: number) => ServiceOverrides): Reader {
  return {
    allowed: `a whole number${unit} from 0 to ${max}`,
    read: (text) => (/^\d{1,10}$/.test(text) && Number(text) <= max ? override(Number(text)) : undefined),
  };
}

function choice<const T extends string>(
  values: readonly T[],
  override: (value: T) => ServiceOverrides,
): Reader {
  return {
    allowed: `one of ${values.join(', ')}`,
    read: (text) => {
      const value = values.find((known) => known === text);
      return value === undefined ? undefined : override(value);
    },
  };
}

/** Every key, as it stands in the meta of an instance: Consul allows letters, digits, `-` and `_` there. */
const readers = new Map<string, Reader>([
  [
    'balance',
    choice(['round-robin', 'least-requests', 'power-of-two', 'random', 'consistent-hash'], (balance) => ({
      balance,
    })),
  ],
  [
    'hash',
    {
      allowed: 'client-ip, path, header:NAME or cookie:NAME',
      read: (text) => {
        const parsed = parseHashSource(text);
        return 'value' in parsed ? { hash: parsed.value } : undefined;
      },
    },
  ],
  ['sticky', choice(['off', 'cookie'], (sticky) => ({ sticky }))],
  ['slow-start-ms', wholeNumber(longestTimerMs, ' of milliseconds', (slowStartMs) => ({ slowStartMs }))],
  ['queue-limit', wholeNumber(1_000_000, '', (limit) => ({ queue: { limit } }))],
  [
    'queue-timeout-ms',
    wholeNumber(longestTimerMs, ' of milliseconds', (timeoutMs) => ({ queue: { timeoutMs } })),
  ],
  ['max-requests', wholeNumber(1_000_000, '', (maxRequests) => ({ maxRequests }))],
  ['max-retries', wholeNumber(1_000_000, '', (maxRetries) => ({ maxRetries }))],
  [
    'panic-ratio',
    {
      allowed: 'a number from 0 to 1',
      read: (text) =>
        /^(?:0|1|0?\.\d{1,6}|[01]\.0{1,6})$/.test(text) ? { panicRatio: Number(text) } : undefined,
    },
  ],
  ['check', { allowed: 'off, tcp or http:/path', read: readCheck }],
]);

/** `off`, `tcp` or `http:/path`. The configuration sets interval and timeout. */
function readCheck(text: string): ServiceOverrides | undefined {
  if (text === 'off' || text === 'tcp') return { checks: { kind: text } };
  const path = /^http:(\/[!-"$-~]{0,400})$/.exec(text)?.[1];
  return path === undefined ? undefined : { checks: { kind: 'http', path } };
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
  const reader = readers.get(key);
  if (reader === undefined) return settings;
  const override = reader.read(text.trim());
  if (override === undefined) {
    const row = { setting: `${key}=${text.slice(0, 60)}`, allowed: reader.allowed };
    return { ...settings, invalid: [...settings.invalid, row] };
  }
  const { overrides } = settings;
  const queue = { ...overrides.queue, ...override.queue };
  const checks: Partial<CheckSettings> = { ...overrides.checks, ...override.checks };
  return { ...settings, overrides: { ...overrides, ...override, queue, checks } };
}
