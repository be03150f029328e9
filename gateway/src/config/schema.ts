import { z } from 'zod';

import { parseAuthority, parseCidr, parseHost } from './address.ts';
import { defaults } from './defaults.ts';
import { parsePrefix, parseRouteHost, takes } from './prefix.ts';
import { choice, milliseconds, read, share, text, whole } from './rules.ts';

/**
 * The shape of `gateway.yaml`, and the rule for every value wherever it comes from. The message of each rule says what is
 * allowed; `load-config.ts` adds the place and the value received. Descriptions are the "meaning" column of the docs.
 */

const serviceName = text(
  /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/,
  'a service name: letters, digits, . _ -, at most 128',
);
const host = read(parseHost, 'an IP address or a host name');
const prefix = read((raw) => {
  const parsed = parsePrefix(raw);
  return 'value' in parsed ? parsed : { problem: `a path prefix such as /api; this one ${parsed.problem}` };
}, 'a path prefix, such as /api');

const timeoutMeanings = {
  connectMs: 'To a usable connection with an instance.',
  responseHeadMs: 'From the whole request sent to the end of the response head.',
  idleMs: 'Between two reads or writes of a body, an event stream or a WebSocket.',
} as const;

/** One entry of `routes`. */
export const routeSchema = z
  .strictObject(
    {
      prefix,
      host: read(parseRouteHost, 'a host name').optional(),
      service: serviceName,
      strip: prefix.optional(),
      timeouts: z
        .strictObject(
          {
            connectMs: milliseconds(1).exactOptional(),
            responseHeadMs: milliseconds(1).exactOptional(),
            idleMs: milliseconds(1).exactOptional(),
          },
          'timeouts of this route: connectMs, responseHeadMs, idleMs',
        )
        .prefault({}),
    },
    'a route with prefix and service',
  )
  .superRefine((route, context) => {
    const { strip } = route;
    if (strip === undefined || (strip !== '/' && takes(strip, route.prefix))) return;
    context.addIssue({
      code: 'custom',
      path: ['strip'],
      message: `a leading part of the route's own prefix ${route.prefix}, without which nothing would be removed`,
    });
  })
  .transform((route) => ({
    prefix: route.prefix,
    host: route.host,
    service: route.service,
    strip: route.strip,
    timeouts: route.timeouts,
    source: 'config' as const,
  }));

const instance = read(parseAuthority, 'host:port or [IPv6]:port, such as 10.0.0.5:9001');

const fixedService = z.strictObject(
  {
    instances: z
      .array(instance, 'a list of host:port')
      .min(1, 'at least one host:port')
      .superRefine((rows, context) => {
        const seen = new Map<string, number>();
        rows.forEach((row, index) => {
          const key = `${row.address} ${row.port}`;
          const first = seen.get(key);
          if (first === undefined) seen.set(key, index);
          else
            context.addIssue({
              code: 'custom',
              path: [index],
              message: `each instance once; instances[${first}] is the same`,
            });
        });
      }),
  },
  'a service with instances: [host:port, …]',
);

/** Everything that can be configured, with its default and its meaning. */
export const configSchema = z.strictObject(
  {
    announce: text(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/, 'a service name, or off')
      .default(defaults.announce)
      .describe('Name by which the gateway announces itself in Consul; `off`: not at all.'),
    pseudonym: text(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/, 'a token of RFC 9110 §5.6.2, at most 64 characters')
      .default(defaults.pseudonym)
      .describe(
        'Name in `Via` and `Proxy-Status`, the same for a whole fleet of gateways, so that loops show.',
      ),
    listen: z
      .strictObject(
        {
          host: host.default(defaults.listen.host).describe('Address of the traffic listener.'),
          port: whole(0, 65_535)
            .default(defaults.listen.port)
            .describe('Port of the traffic listener; 0: any free one.'),
        },
        'host and port',
      )
      .prefault({}),
    admin: z
      .strictObject(
        {
          host: host
            .default(defaults.admin.host)
            .describe('Address of the admin listener. Beyond loopback whoever reaches it can read it.'),
          port: whole(0, 65_535)
            .default(defaults.admin.port)
            .describe('Port of the admin listener; 0: any free one.'),
        },
        'host and port',
      )
      .prefault({}),
    engine: choice(['wire', 'http-proxy'])
      .default(defaults.engine)
      .describe('What moves the bytes: bare sockets, or node:http with the http-proxy package.'),
    routes: z.array(routeSchema, 'a list of routes').optional(),
    services: z.record(serviceName, fixedService, 'services by name').optional(),
    trustedProxies: z
      .array(read(parseCidr, 'an IP address or a CIDR range'), 'a list of IP addresses and CIDR ranges')
      .default([...defaults.trustedProxies])
      .describe('Peers whose `X-Forwarded-*`, `Forwarded` and `X-Request-Id` are believed.'),
    forwardedFields: choice(['x-forwarded', 'forwarded', 'both'])
      .default(defaults.forwardedFields)
      .describe('Which forwarding fields instances get: `X-Forwarded-*`, RFC 7239 `Forwarded`, or both.'),
    limits: z
      .strictObject(
        {
          requestHeadMs: milliseconds(1)
            .default(defaults.limits.requestHeadMs)
            .describe('From the first byte of a request to the end of its head; 408 after it.'),
          keepAliveMs: milliseconds(1)
            .default(defaults.limits.keepAliveMs)
            .describe(
              "An idle client connection is closed after this; keep it above an outer balancer's own.",
            ),
          headBytes: whole(1_024, 1_048_576, ' of bytes')
            .default(defaults.limits.headBytes)
            .describe('Request line and header lines together; 431 (414 for the target alone) beyond.'),
          headLines: whole(1, 10_000)
            .default(defaults.limits.headLines)
            .describe('Number of header lines; 431 beyond.'),
          bodyBytes: whole(0, Number.MAX_SAFE_INTEGER, ' of bytes')
            .default(defaults.limits.bodyBytes)
            .describe('Request body; 413 beyond; 0: no limit.'),
          connections: whole(1, 1_000_000)
            .default(defaults.limits.connections)
            .describe('Open client connections; further ones are closed at once.'),
        },
        'limits',
      )
      .prefault({}),
    timeouts: z
      .strictObject(
        {
          connectMs: milliseconds(1).default(defaults.timeouts.connectMs).describe(timeoutMeanings.connectMs),
          responseHeadMs: milliseconds(1)
            .default(defaults.timeouts.responseHeadMs)
            .describe(timeoutMeanings.responseHeadMs),
          idleMs: milliseconds(1).default(defaults.timeouts.idleMs).describe(timeoutMeanings.idleMs),
        },
        'timeouts',
      )
      .prefault({}),
    poolIdleMs: milliseconds(1)
      .default(defaults.poolIdleMs)
      .describe(
        "Idle connections to instances are closed after this; below the instances' own keep-alive timeout (5 s in bare Node).",
      ),
    retry: z
      .strictObject(
        {
          attempts: whole(1, 10)
            .default(defaults.retry.attempts)
            .describe('Attempts per request, the first included; 1: no retries.'),
          budgetRatio: share(0, 1)
            .default(defaults.retry.budgetRatio)
            .describe('Retries allowed as a share of requests, over the floor.'),
          budgetFloorPerSecond: share(0, 100_000)
            .default(defaults.retry.budgetFloorPerSecond)
            .describe('Retries per second that are always allowed.'),
        },
        'attempts, budgetRatio, budgetFloorPerSecond',
      )
      .prefault({}),
    ejection: z
      .strictObject(
        {
          consecutiveFailures: whole(1, 1_000)
            .default(defaults.ejection.consecutiveFailures)
            .describe(
              'Failures in a row before an instance is left out for a while; a refused connection does it at once.',
            ),
          baseMs: milliseconds(1)
            .default(defaults.ejection.baseMs)
            .describe('First ejection; each further one lasts twice as long.'),
          maxMs: milliseconds(1)
            .default(defaults.ejection.maxMs)
            .describe('Longest ejection; not below `ejection.baseMs`.'),
          maxRatio: share(0, 1)
            .default(defaults.ejection.maxRatio)
            .describe('Share of instances of a service that may be ejected at a time; one always may.'),
        },
        'consecutiveFailures, baseMs, maxMs, maxRatio',
      )
      .prefault({}),
    drain: z
      .strictObject(
        {
          noticeMs: milliseconds(0)
            .default(defaults.drain.noticeMs)
            .describe(
              'Between `/readyz` turning 503 and the listener closing: time for an outer balancer to notice.',
            ),
          timeoutMs: milliseconds(0)
            .default(defaults.drain.timeoutMs)
            .describe(
              'How long requests may take to finish after that; stay below the grace period of whatever stops the process.',
            ),
        },
        'noticeMs, timeoutMs',
      )
      .prefault({}),
    log: z
      .strictObject(
        {
          level: choice(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
            .default(defaults.log.level)
            .describe('The least severe log line written.'),
          access: choice(['on', 'off']).default(defaults.log.access).describe('One line per request.'),
        },
        'level and access',
      )
      .prefault({}),
  },
  'a mapping of options',
);
