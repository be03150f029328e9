import { z } from 'zod';

import { parsePrefix, parseRouteHost, takes } from './prefix.ts';
import {
  choice,
  field,
  mapping,
  milliseconds,
  numbers,
  overrides,
  read,
  serviceName,
  whole,
} from './rules.ts';

const prefix = read((raw) => {
  const parsed = parsePrefix(raw);
  return 'value' in parsed ? parsed : { problem: `a path prefix such as /api; this one ${parsed.problem}` };
}, 'a path prefix, such as /api');

/** The timeouts of an attempt, for all routes; a route can override each. */
export const timeoutFields = {
  connectMs: field(
    milliseconds(1),
    2_000,
    'From the start of connecting to a usable connection, the identity check included.',
  ),
  responseHeadMs: field(
    milliseconds(1),
    60_000,
    'From the end of the request to the end of the response head.',
  ),
  idleMs: field(
    milliseconds(1),
    300_000,
    'Between two reads or writes of a body, an event stream or a WebSocket.',
  ),
  tryMs: field(
    milliseconds(0),
    0,
    'From the start of an attempt to the end of the response head; then another instance may be tried; 0: no limit.',
  ),
  totalMs: field(
    milliseconds(0),
    0,
    'From the request head to the end of the response, all attempts included; 0: no limit.',
  ),
} as const;

/** What may be tried again, for all routes; a route can override each. */
export const retryFields = {
  attempts: field(
    whole(1, 10),
    3,
    'Attempts per request, the first included; up to 16 refused ones are not counted; 1: no retries.',
  ),
  statuses: field(
    numbers([502, 503, 504]),
    [],
    'Response statuses after which an idempotent request is retried on another instance: of 502, 503, 504.',
  ),
  nonIdempotent: field(
    choice(['never', 'allow']),
    'never',
    '`allow`: POST and PATCH are repeated like other methods; the service has to tolerate duplicates.',
  ),
} as const;

/** `hedgeAfterMs` for all routes; a route can override it. */
export const hedgeField = field(
  milliseconds(0),
  0,
  'For GET, HEAD and OPTIONS: a second attempt beside the first, when there is no response for this long; 0: never.',
);

/** One entry of `routes`. */
export const routeSchema = z
  .strictObject(
    {
      prefix,
      host: read(parseRouteHost, 'a host name').optional(),
      service: serviceName.optional(),
      owners: z.array(serviceName, 'a list of services').min(2, 'two services or more').optional(),
      claims: choice(['none', 'below']).optional(),
      strip: prefix.optional(),
      timeouts: mapping(overrides(timeoutFields)).prefault({}),
      retry: mapping(overrides(retryFields)).prefault({}),
      hedgeAfterMs: hedgeField.unwrap().optional(),
      paths: choice(['usual', 'strict']).optional(),
    },
    'a route with prefix and service (or owners)',
  )
  .superRefine((route, context) => {
    const { strip, service, owners } = route;
    if ((service === undefined) === (owners === undefined)) {
      const message = 'a service, or owners instead';
      context.addIssue({ code: 'custom', path: [service === undefined ? 'service' : 'owners'], message });
    }
    if (strip === undefined || (strip !== '/' && takes(strip, route.prefix))) return;
    context.addIssue({
      code: 'custom',
      path: ['strip'],
      message: `a leading part of the route's own prefix ${route.prefix}, without which nothing would be removed`,
    });
  })
  .transform(({ service = '', owners, ...route }) => {
    const { prefix, host, claims, strip, timeouts, retry, hedgeAfterMs, paths } = route;
    return {
      ...{
        prefix,
        host,
        service: owners?.[0] ?? service,
        owners,
        claims,
        strip,
        timeouts,
        retry,
        hedgeAfterMs,
        paths,
      },
      source: 'config' as const,
    };
  });
