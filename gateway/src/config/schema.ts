import { z } from 'zod';

import { parseCidr, parseHost } from './address.ts';
import { hedgeField, retryFields, routeSchema, timeoutFields } from './route-schema.ts';
import {
  choice,
  field,
  mapping,
  milliseconds,
  read,
  serviceName,
  share,
  startField,
  text,
  whole,
} from './rules.ts';
import { serviceFields, serviceSchema } from './service-schema.ts';

/**
 * The shape of `gateway.yaml`, and the rule for every value wherever it comes from. The message of each rule says what is
 * allowed; `load-config.ts` adds the place and the value received. Descriptions are the "meaning" column of the docs.
 */

const host = read(parseHost, 'an IP address or a host name');
const port = whole(0, 65_535);
const ranges = z.array(
  read(parseCidr, 'an IP address or a CIDR range'),
  'a list of IP addresses and CIDR ranges',
);

/**
 * Everything that can be configured, with its default and its meaning.
 *
 * Why these defaults: `poolIdleMs` lies below the 5 s after which a bare Node server closes an idle connection, so that the pool never
 * races it; `keepAliveMs` lies above the 60 s of the usual outer balancer; `connectMs` leaves room for one lost SYN; ejection starts
 * short because a refused connection ejects at once and a restarted instance is back within seconds; the retry budget is Finagle's
 * (20 % and 10/s).
 *
 * A `startField` needs a restart: the sockets that are open and the name under which they are known, what the client for Consul, an
 * engine and its pools are made with, what is open on this machine, and the secret that signs cookies which clients hold.
 */
export const configSchema = z.strictObject(
  {
    announce: startField(
      text(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/, 'a service name, or off'),
      'roundhouse',
      'Name by which the gateway announces itself in Consul; `off`: not at all.',
    ),
    pseudonym: field(
      text(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/, 'a token of RFC 9110 §5.6.2, at most 64 characters'),
      'roundhouse',
      'Name in `Via` and `Proxy-Status`, the same for a whole fleet of gateways, so that loops are detected.',
    ),
    listen: mapping({
      host: startField(host, '0.0.0.0', 'Address of the traffic listener.'),
      port: startField(port, 8_080, 'Port of the traffic listener; 0: any free one.'),
    }).prefault({}),
    admin: mapping({
      host: startField(
        host,
        '127.0.0.1',
        'Address of the admin listener. Beyond loopback, every host that reaches it can read it, unless `admin.token` is set.',
      ),
      port: startField(port, 8_081, 'Port of the admin listener; 0: any free one.'),
      token: field(
        text(/^(off|[\x21-\x7e]{16,1024})$/, 'off, or 16 and more visible ASCII characters without spaces'),
        'off',
        'Token for changes and for all pages but `/livez` and `/readyz` (`Authorization: Bearer`); `off`: all that reach it read, only this machine changes. Set it by variable rather than by flag.',
      ),
      hosts: field(
        z.array(host, 'a list of host names'),
        [],
        'Names by which it may be reached (`Host`), beside localhost and addresses.',
      ),
    }).prefault({}),
    consul: mapping({
      maxConnections: startField(
        whole(20, 100_000),
        100,
        'Connections to the Consul agent at most. An agent takes 200 from one address by default (`limits.http_max_conns_per_client`); leave room for the services on the same host.',
      ),
      waitMs: startField(
        whole(1_000, 600_000, ' of milliseconds'),
        60_000,
        'How long Consul may hold a read; keep it below the time limit of a balancer in between.',
      ),
    }).prefault({}),
    discovery: mapping({
      tagPrefix: startField(
        text(/^[!-.0-~]{1,64}$/, '1 to 64 visible ASCII characters without / and spaces'),
        'urlprefix-',
        'What a tag that claims a route begins with. With another one there are no built-in routes.',
      ),
      onlyTags: startField(
        z.array(text(/^[^,\p{Cc}]{1,4096}$/u, 'a tag without commas'), 'a list of tags'),
        [],
        'Only instances that carry one of these tags are used, for claims and for requests; empty: all.',
      ),
    }).prefault({}),
    engine: startField(
      choice(['wire', 'http-proxy']),
      'wire',
      'HTTP/1.1 on bare sockets, or node:http with the http-proxy package.',
    ),
    routes: z.array(routeSchema, 'a list of routes').optional(),
    routesReleaseAfterMs: field(
      milliseconds(0),
      86_400_000,
      'A service that has served a claimed route keeps it until it has had no live instance for this long; a path without a claim is 503 until then, 404 after it.',
    ),
    services: z.record(serviceName, serviceSchema, 'services by name').optional(),
    trustedProxies: field(
      ranges,
      [],
      'Peers whose `X-Forwarded-*`, `Forwarded` and the like ([F1](http-rules.md)), `X-Request-Id` and deadlines are believed.',
    ),
    forwardedFields: field(
      choice(['x-forwarded', 'forwarded', 'both']),
      'x-forwarded',
      'Which forwarding fields instances get: `X-Forwarded-*`, RFC 7239 `Forwarded`, or both.',
    ),
    limits: mapping({
      requestHeadMs: field(
        milliseconds(1),
        10_000,
        'From the first byte of a request to the end of its head; 408 after it.',
      ),
      keepAliveMs: field(
        milliseconds(1),
        75_000,
        "An idle client connection is closed after this; keep it above an outer balancer's idle timeout.",
      ),
      headBytes: field(
        whole(1_024, 1_048_576, ' of bytes'),
        16_384,
        'Request line and header lines together; 431 (414 for the target alone) beyond.',
      ),
      headLines: field(whole(1, 10_000), 100, 'Number of header lines; 431 beyond.'),
      bodyBytes: field(
        whole(0, Number.MAX_SAFE_INTEGER, ' of bytes'),
        0,
        'Request body; 413 beyond; 0: no limit.',
      ),
      minBytesPerSecond: field(
        whole(0, 1_000_000),
        240,
        'What a client has to send of a body, or take of a response, while it is waited for, on the average of each `limits.paceMs`; 408 or a cut below; 0: no such limit.',
      ),
      paceMs: field(milliseconds(1), 30_000, 'The time over which `limits.minBytesPerSecond` is measured.'),
      connections: field(
        whole(1, 1_000_000),
        20_000,
        'Open client connections; lower where the process may have too few file descriptors. For further ones, those that have waited longest for a request are closed.',
      ),
      connectionsPerAddress: field(
        whole(0, 1_000_000),
        0,
        'The same from one IPv4 address or IPv6 /64 that is not in `trustedProxies`; 0: three quarters of `connections`.',
      ),
      memoryBytes: field(
        whole(0, Number.MAX_SAFE_INTEGER, ' of bytes'),
        0,
        "Memory for all that peers can make the gateway hold; 0: V8's heap limit or a quarter of the container's memory, whichever is less.",
      ),
    }).prefault({}),
    timeouts: mapping(timeoutFields).prefault({}),
    poolIdleMs: startField(
      milliseconds(1),
      4_000,
      "Idle connections to instances are closed after this; below the instances' own keep-alive timeout (5 s in bare Node).",
    ),
    retry: mapping({
      ...retryFields,
      budgetRatio: field(share(0, 1), 0.2, 'Retries allowed as a share of requests, over the floor.'),
      budgetFloorPerSecond: field(share(0, 100_000), 10, 'Retries per second that are always allowed.'),
      replayBytes: startField(
        whole(0, 1_048_576, ' of bytes'),
        65_536,
        'Request bodies up to this size are kept, so that they can be sent again; 0: none.',
      ),
    }).prefault({}),
    hedgeAfterMs: hedgeField,
    ...serviceFields,
    stickySecret: startField(
      text(/^(random|.{16,1024})$/s, 'random, or a text of at least 16 characters'),
      'random',
      'Signs the cookies of sticky sessions, the same for a fleet; `random`: new at every start. Set it by variable rather than by flag.',
    ),
    identity: field(
      choice(['verify', 'off']),
      'verify',
      '`verify`: every new connection to an instance that announces its identity is checked, and a wrong instance gets no request.',
    ),
    addresses: mapping({
      allow: field(
        ranges,
        [],
        'Only instances at these addresses are accepted; empty: all that no other rule refuses.',
      ),
      deny: field(ranges, [], 'Instances at these addresses are refused.'),
      loopback: field(
        choice(['auto', 'allow', 'refuse']),
        'auto',
        'Whether instances may be on loopback; `auto`: when Consul itself is reached over it.',
      ),
    }).prefault({}),
    guard: mapping({
      maxRemovedRatio: field(
        share(0, 1),
        0.5,
        'When a change removes two instances or more, and more than this share of a service, they are probed first; 1: never.',
      ),
      holdMs: field(
        milliseconds(0),
        30_000,
        'How long removed instances that still answer are kept at most.',
      ),
    }).prefault({}),
    configWatch: field(
      choice(['on', 'off']),
      'on',
      '`on`: a changed configuration file is applied at once; `off`: at SIGHUP and `POST /api/v1/config/reload` only.',
    ),
    savedTable: startField(
      text(/^[^\0]{1,4096}$/, 'the path of a file, or off'),
      'off',
      'File for the last good table; a gateway starts with it when Consul does not answer; `off`: none.',
    ),
    drain: mapping({
      noticeMs: field(
        milliseconds(0),
        500,
        'Between `/readyz` turning 503 and the listener closing: time for an outer balancer to notice.',
      ),
      timeoutMs: field(
        milliseconds(0),
        20_000,
        'How long requests may take to finish after that; keep it below the grace period of the process manager.',
      ),
    }).prefault({}),
    log: mapping({
      level: startField(
        choice(['trace', 'debug', 'info', 'warn', 'error', 'silent']),
        'info',
        'The least severe log line written.',
      ),
      access: field(choice(['on', 'off']), 'on', 'One line per request.'),
    }).prefault({}),
  },
  'a mapping of options',
);
