import { defaultUpstreamPolicy as policy } from '@roundhouse/agent-sdk/internal';
import { z } from 'zod';

import { parseAuthority } from './address.ts';
import { parseHashSource } from './hash-source.ts';
import { checkPath, choice, field, mapping, milliseconds, overrides, read, share, whole } from './rules.ts';

/** The settings that hold for every service and can be set for one of them, with their defaults and meanings. */
export const serviceFields = {
  balance: field(
    choice(['round-robin', 'least-requests', 'power-of-two', 'random', 'consistent-hash']),
    policy.balance,
    'Which instance gets the next request; all strategies obey weights.',
  ),
  hash: field(
    read(parseHashSource, 'client-ip, path, header:NAME or cookie:NAME'),
    { kind: 'client-ip' },
    'What `consistent-hash` hashes: `client-ip`, `path`, `header:NAME` or `cookie:NAME`.',
  ),
  sticky: field(
    choice(['off', 'cookie']),
    'off',
    '`cookie`: a signed cookie keeps a client on its instance, as long as that instance can take requests.',
  ),
  slowStartMs: field(
    milliseconds(0),
    policy.slowStartMs,
    'How long a new instance takes to reach its full share; 0: none. Not when the gateway starts.',
  ),
  maxConnections: field(
    whole(0, 1_000_000),
    policy.maxConnections,
    'Concurrent requests per instance; further ones wait in the queue; 0: no limit.',
  ),
  queue: mapping({
    limit: field(
      whole(0, 1_000_000),
      policy.queue.limit,
      'Requests of a service that may wait for a free instance; 503 beyond; 0: none waits.',
    ),
    timeoutMs: field(milliseconds(1), policy.queue.timeoutMs, 'How long a request waits; 503 after it.'),
  }).prefault({}),
  maxRequests: field(
    whole(0, 1_000_000),
    policy.maxRequests,
    'Concurrent requests of a service; 503 with `Retry-After` beyond; 0: no limit.',
  ),
  maxRetries: field(
    whole(0, 1_000_000),
    0,
    'Concurrent retries of a service, beside `retry.budgetRatio`; 0: no limit.',
  ),
  panicRatio: field(
    share(0, 1),
    policy.panicRatio,
    'While the share of instances that Consul calls healthy is below this, critical ones are used too; 0: never.',
  ),
  ejection: mapping({
    consecutiveFailures: field(
      whole(1, 1_000),
      policy.ejection.consecutiveFailures,
      'Failures in a row before an instance is ejected; a refused connection ejects it at once.',
    ),
    baseMs: field(
      milliseconds(1),
      policy.ejection.baseMs,
      'First ejection; each further one lasts twice as long.',
    ),
    maxMs: field(milliseconds(1), policy.ejection.maxMs, 'Longest ejection; not below `ejection.baseMs`.'),
    maxRatio: field(
      share(0, 1),
      policy.ejection.maxRatio,
      'Share of instances of a service that may be ejected at a time; always one, and all primaries while there are backups.',
    ),
  }).prefault({}),
  outliers: mapping({
    windowMs: field(
      milliseconds(0),
      policy.outliers.windowMs,
      'How long responses are counted to find instances that fail more than the others; 0: never.',
    ),
    minRequests: field(
      whole(1, 1_000_000),
      policy.outliers.minRequests,
      'An instance with fewer responses in that time is not judged.',
    ),
    margin: field(
      share(0, 1),
      policy.outliers.margin,
      "How far an instance's share of good responses may lie below that of the others before it is ejected.",
    ),
  }).prefault({}),
  silence: field(
    choice(['ask', 'off']),
    'ask',
    '`ask`: an instance that is silent for longer than the latency of its service explains is asked whether it lives; if not, requests go elsewhere. `off`: never.',
  ),
  checks: mapping({
    kind: field(
      choice(['off', 'tcp', 'http']),
      'off',
      "Active checks by the gateway, beside Consul's: a connection, or a GET with a 2xx or 3xx response.",
    ),
    path: field(checkPath, '/', 'Path of `http` checks.'),
    intervalMs: field(milliseconds(10), 5_000, 'Time between two checks of an instance, ±10 %.'),
    timeoutMs: field(
      milliseconds(1),
      2_000,
      'For one check, connecting included; at most `checks.intervalMs`.',
    ),
    rise: field(whole(1, 100), 2, 'Good checks in a row that bring an instance back.'),
    fall: field(whole(1, 100), 3, 'Bad checks in a row that take an instance out.'),
  }).prefault({}),
} as const;

const instances = z
  .array(read(parseAuthority, 'host:port or [IPv6]:port, such as 10.0.0.5:9001'), 'a list of host:port')
  .min(1, 'at least one host:port')
  .superRefine((rows, context) => {
    const seen = new Map<string, number>();
    rows.forEach((row, index) => {
      const key = `${row.address} ${row.port}`;
      const first = seen.get(key);
      if (first === undefined) {
        seen.set(key, index);
      } else {
        context.addIssue({
          code: 'custom',
          path: [index],
          message: `each instance once; instances[${first}] is the same`,
        });
      }
    });
  });

/** One entry of `services`: a fixed list, settings of its own, or both. */
export const serviceSchema = z.strictObject(
  { instances: instances.exactOptional(), ...overrides(serviceFields) },
  'a service with instances: [host:port, …] or settings of its own',
);
