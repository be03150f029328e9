import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { errorTable } from '../../gateway/src/exchange/errors.ts';
import { routeConfig } from '../kit/builders.ts';
import { openRawClient } from '../kit/raw-client.ts';
import { valuesOf, type RawRequest, type RawResponse } from '../kit/raw-message.ts';
import { ok, startRecordingOrigin, type RecordingOrigin } from '../kit/recording-origin.ts';
import { startTestGateway, type TestGateway } from '../kit/start-gateway.ts';
import { engineNames } from './subject.ts';

/** The whole gateway between a raw client and a recording origin: what the exchange decides, as bytes on both sides. */
interface Sent {
  readonly id: string;
  readonly fact: string;
  /** The request as text. */
  readonly request: string;
  readonly method?: string;
  /** What the instance answers; default 200. */
  readonly answer?: string;
  readonly expect: (seen: {
    readonly response: RawResponse;
    readonly requests: readonly RawRequest[];
  }) => void;
}

const request = (line: string, ...fields: readonly string[]): string =>
  [`${line} HTTP/1.1`, ...fields, '', ''].join('\r\n');
const get = (target: string, ...fields: readonly string[]): string =>
  request(`GET ${target}`, 'Host: h', ...fields);

function refused(id: string, what: string, text: string, status: number): Sent {
  return {
    id,
    fact: `${what} is answered with ${status}, and no instance hears of it`,
    request: text,
    expect: ({ response, requests }) => {
      expect(response.status).toBe(status);
      expect(requests).toEqual([]);
      expect(valuesOf(response, 'x-request-id')).toHaveLength(1);
      expect(valuesOf(response, 'proxy-status')).toHaveLength(1);
      expect(valuesOf(response, 'cache-control')).toEqual(['no-store']);
    },
  };
}

function forwarded(
  id: string,
  fact: string,
  text: string,
  check: (request: RawRequest, response: RawResponse) => void,
): Sent {
  return {
    id,
    fact,
    request: text,
    expect: ({ response, requests }) => {
      expect(response.status).toBe(200);
      expect(requests).toHaveLength(1);
      for (const one of requests) check(one, response);
    },
  };
}

const asPath = (id: string, target: string, path: string): Sent =>
  forwarded(
    id,
    target === path ? `${target} goes on as it came` : `${target} goes on as ${path}`,
    get(target),
    (seen) => {
      expect(seen.target).toBe(path);
    },
  );

const words = (list: string): readonly string[] => list.split(/\s+/);

const names = (message: { readonly fields: readonly (readonly [string, string])[] }): string[] =>
  message.fields.map(([name]) => name.toLowerCase());

/** Fields of a request by which instances decide. */
const decisive =
  words(`cookie origin referer authorization sec-fetch-site sec-websocket-protocol x-csrf-token x-xsrf-token
  x-api-key if-match content-encoding idempotency-key x-auth-token cache-control accept-language access-control-request-method`);

/** Fields by which a proxy in front speaks for the client. */
const spoken =
  words(`X-Forwarded-For X-Forwarded-Proto X-Forwarded-Host X-Forwarded-Port X-Forwarded-Prefix X-Forwarded-User
  x-forwarded-client-cert X-FORWARDED-Tls-Client-Cert X-Forwarded Forwarded X-Real-IP X-Original-URL X-Original-Forwarded-For X-Rewrite-URL
  Client-Cert Client-Cert-Chain Proxy X-Client-IP X-Client-Cert True-Client-IP X-Cluster-Client-IP CF-Connecting-IP Fastly-Client-IP
  X-Envoy-External-Address X-Remote-User X-SSL-Client-Verify SSL-Client-Cert X-Auth-Request-Email X-Url-Scheme Front-End-Https`);

const alike =
  words(`X-Original X-Remotely X-Clients-Name X-Client-Version Client-Version X-Authenticate Proxy-Hint X-SSLabs
  X-Requested-With X-API-Version X-Realm CF-IPCountry`);

const cases: readonly Sent[] = [
  forwarded(
    'R01',
    'what Connection names is removed, in the request and in the response, before the gateway adds its own',
    get('/api', 'Connection: x-one, X-Two', 'X-One: 1', 'x-two: 2', 'X-Three: 3'),
    (seen) => {
      expect(names(seen)).not.toContain('x-one');
      expect(names(seen)).not.toContain('x-two');
      expect(valuesOf(seen, 'x-three')).toEqual(['3']);
    },
  ),
  {
    ...forwarded(
      'R01r',
      'what an instance’s Connection names is removed from its answer',
      get('/api'),
      (_, response) => {
        expect(names(response)).not.toContain('x-secret');
        expect(valuesOf(response, 'x-kept')).toEqual(['1']);
      },
    ),
    answer:
      'HTTP/1.1 200 OK\r\nConnection: x-secret\r\nX-Secret: 1\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nok',
  },
  forwarded(
    'R02',
    'Connection can’t nominate what gives a message its meaning, nor what the gateway writes',
    get('/api', 'Connection: host, authorization, cookie, x-forwarded-for, via', 'Authorization: Basic eDp5'),
    (seen) => {
      expect(valuesOf(seen, 'host')).toEqual(['h']);
      expect(valuesOf(seen, 'authorization')).toEqual(['Basic eDp5']);
      expect(valuesOf(seen, 'x-forwarded-for')).toEqual(['127.0.0.1']);
      expect(valuesOf(seen, 'via')).toEqual(['1.1 roundhouse']);
    },
  ),
  forwarded(
    'R02b',
    'Connection can’t take out what an instance decides by, and the request goes on with it',
    get(
      '/api',
      `Connection: close, ${decisive.join(', ')}, content-type, range, x-mine`,
      ...[...decisive, 'content-type', 'range', 'x-mine'].map((name) => `${name}: 1`),
    ),
    (seen) => {
      expect(names(seen)).toEqual(expect.arrayContaining([...decisive, 'content-type', 'range']));
      expect(names(seen)).not.toContain('x-mine');
    },
  ),
  forwarded(
    'R46',
    'a Connection of 64 options is obeyed',
    get('/api', `Connection: ${'x-a, '.repeat(63)}x-b`, 'X-A: 1', 'X-B: 1'),
    (seen) => {
      expect(names(seen)).not.toContain('x-b');
    },
  ),
  refused('R46b', 'a Connection of 65 options', get('/api', `Connection: ${'x-a,'.repeat(64)}x-b`), 400),
  refused(
    'R46c',
    'more than 64 options in several lines',
    get('/api', ...Array.from({ length: 65 }, (_, i) => `Connection: x-${String(i)}`)),
    400,
  ),
  forwarded(
    'R03',
    'fields of one connection never cross, even when no Connection field names them',
    get(
      '/api',
      'Keep-Alive: timeout=9',
      'Proxy-Connection: keep-alive',
      'TE: gzip',
      'Proxy-Authorization: x',
      'Upgrade: h2c',
      'HTTP2-Settings: x',
    ),
    (seen) => {
      const hop = [
        'keep-alive',
        'proxy-connection',
        'te',
        'proxy-authorization',
        'upgrade',
        'http2-settings',
      ];
      expect(names(seen).filter((name) => hop.includes(name))).toEqual([]);
    },
  ),
  refused('R05', 'a second Authorization', get('/api', 'Authorization: a', 'Authorization: b'), 400),
  forwarded('R06', 'Via is appended to', get('/api', 'Via: 1.0 fred'), (seen) => {
    expect(valuesOf(seen, 'via')).toEqual(['1.0 fred, 1.1 roundhouse']);
  }),
  refused('R06b', 'a request that has passed here before', get('/api', 'Via: 1.1 a, 1.1 roundhouse'), 508),
  refused('R07', 'TRACE', request('TRACE /api', 'Host: h'), 405),
  {
    id: 'R07b',
    fact: 'OPTIONS with Max-Forwards: 0 is answered here',
    request: request('OPTIONS /api', 'Host: h', 'Max-Forwards: 0'),
    expect: ({ response, requests }) => {
      expect(response.status).toBe(204);
      expect(valuesOf(response, 'allow')).toHaveLength(1);
      expect(requests).toEqual([]);
    },
  },
  forwarded(
    'R07c',
    'OPTIONS with Max-Forwards: 3 goes on with 2',
    request('OPTIONS /api', 'Host: h', 'Max-Forwards: 3'),
    (seen) => {
      expect(valuesOf(seen, 'max-forwards')).toEqual(['2']);
    },
  ),
  refused('R09', 'an unknown expectation', get('/api', 'Expect: the-best'), 417),
  refused('R20', 'HTTP/1.1 without Host', request('GET /api'), 400),
  refused('R20b', 'a repeated Host', get('/api', 'Host: h'), 400),
  refused('R20c', 'a Host with a slash', request('GET /api', 'Host: a/evil'), 400),
  refused('R20d', 'a Host with userinfo', request('GET /api', 'Host: a@evil'), 400),
  refused('R20e', 'a Host with a bad port', request('GET /api', 'Host: a:99999'), 400),
  forwarded(
    'R21',
    'the authority of an absolute form replaces Host',
    request('GET http://real.example:81/api?x', 'Host: other'),
    (seen) => {
      expect(valuesOf(seen, 'host')).toEqual(['real.example:81']);
      expect(seen.target).toBe('/api?x');
    },
  ),
  refused('R22', 'the authority form with GET', request('GET h:80', 'Host: h'), 400),
  refused('R23', 'the asterisk form with GET', request('GET *', 'Host: h'), 400),
  refused('R24', 'a fragment in the target', get('/api#x'), 400),
  refused('R24b', 'a backslash in the path', get('/api\\x'), 400),
  forwarded(
    'R26',
    'an absolute form with an empty path is routed like /',
    request('GET http://h', 'Host: h'),
    (seen) => {
      expect(seen.target).toBe('/');
    },
  ),
  forwarded(
    'R28',
    'an upgrade to anything but websocket is left out',
    get('/api', 'Connection: Upgrade', 'Upgrade: foo/2'),
    (seen) => {
      expect(names(seen)).not.toContain('upgrade');
    },
  ),
  {
    ...forwarded(
      'R43',
      'Date is added where it is missing, Server and ETag stay as they are',
      get('/api'),
      (_, response) => {
        expect(valuesOf(response, 'date')).toHaveLength(1);
        expect(valuesOf(response, 'server')).toEqual(['x/1']);
        expect(valuesOf(response, 'etag')).toEqual(['"1"']);
      },
    ),
    answer: 'HTTP/1.1 200 OK\r\nServer: x/1\r\nETag: "1"\r\nContent-Length: 2\r\n\r\nok',
  },
  refused('S2', 'a path without a route', request('GET /', 'Host: nobody.example'), 404),
  refused('S2b', 'a claimed path without a live instance', get('/empty'), 503),
  ...(
    [
      [
        'S3a',
        421,
        'a 421 has the request sent once more over another connection, then it passes',
        ['1', '1'],
      ],
      ['S3b', 425, 'a 425 to early data of the client passes at once', ['1']],
    ] as const
  ).map(([id, status, fact, sent]): Sent => ({
    id,
    fact: `${fact}; the gateway never makes one`,
    request: get('/api', 'Early-Data: 1'),
    answer: `HTTP/1.1 ${status} Odd\r\nContent-Length: 0\r\n\r\n`,
    expect: ({ response, requests }) => {
      expect(response.status).toBe(status);
      expect(requests.flatMap((seen) => valuesOf(seen, 'early-data'))).toEqual(sent);
      expect(Object.values(errorTable).map((rule) => rule.status)).not.toContain(status);
    },
  })),
  refused('P1', 'a path that is under a route only once it is in normal form', get('/x/../empty'), 503),
  refused('P5', 'a host with a part of the path in it', request('GET /', 'Host: h/empty'), 400),
  asPath('P2', '/api/%7euser;v=1/./a%2fb%252f', '/api/%7euser;v=1/./a%2fb%252f'),
  asPath('P2b', '/a/%2e%2e/api/x', '/a/%2e%2e/api/x'),
  asPath('P2c', '//double/a//b', '//double/a//b'),
  asPath('P2d', '/empty/../api/x', '/api/x'),
  asPath('P2e', '/x/../empty/%2e%2e/api', '/api'),
  asPath('P2f', '//x/empty', '/x/empty'),
  asPath('P2g', '//evil.example/x', '/evil.example/x'),
  asPath('P2h', '/strip/a%7eb', '/a%7eb'),
  refused('P2i', 'a climb above the root', get('/../api'), 400),
  refused('P2j', 'a climb by encoded slashes', get('/api/..%2fadmin'), 400),
  refused('P2k', 'a climb by encoded backslashes', get('/api/..%5cadmin'), 400),
  refused('P2l', 'an encoded NUL', get('/api/%00'), 400),
  refused('P2m', 'a broken percent triplet', get('/api/%zz'), 400),
  refused('P2n', 'an overlong dot', get('/api/%c0%ae'), 400),
  refused('P2o', 'an overlong slash of three bytes', get('/api/%e0%80%af'), 400),
  refused('P2p', 'a dot segment with parameters', get('/x/..;/empty'), 400),
  asPath('P2q', '/caf%e9/%82%a0/%c1%a1', '/caf%e9/%82%a0/%c1%a1'),
  asPath('P6', '/x?q=C:\\temp&"<>|^`{}%&/../%zz', '/x?q=C:\\temp&"<>|^`{}%&/../%zz'),
  asPath('P6b', '/a"b<c>|^`{}', '/a"b<c>|^`{}'),
  refused('P6c', 'a control in a query', get('/x?a\x01'), 400),
  refused('P6d', 'a DEL in a query', get('/x?a\x7f'), 400),
  refused('P6e', 'a space in a query', get('/x?a b'), 400),
  refused('P6f', 'a fragment behind a query', get('/x?a#b'), 400),
  forwarded(
    'P3',
    'a stripped prefix leaves a path with exactly one slash in front',
    get('/strip/x'),
    (seen) => {
      expect(seen.target).toBe('/x');
    },
  ),
  forwarded('P3b', '/striped is not under /strip', get('/striped'), (seen) => {
    expect(seen.target).toBe('/striped');
  }),
  refused('P3c', 'a path that would begin with two slashes once stripped', get('/strip//evil'), 400),
  forwarded(
    'P4',
    'a host is matched whole, not by its end',
    request('GET /api', 'Host: evil-only.example'),
    (seen) => {
      expect(seen.target).toBe('/api');
    },
  ),
  ...['/ADMIN/x', '/admin%2Fx', '/admin;x', '/admin%5cx', '/%2561dmin', '//admin%2F', '/x/%2e%2e/ADMIN'].map(
    (target, i) =>
      refused(
        `P7${'abcdefgh'.charAt(i)}`,
        `${target}, which a framework could take for /admin, on a route with strict paths,`,
        request(`GET ${target}`, 'Host: strict.example'),
        404,
      ),
  ),
  refused('P7i', 'an escaped letter of /admin', request('GET /%61dmin', 'Host: strict.example'), 503),
  forwarded(
    'P7j',
    'a path that every reader takes for the same route passes on one with strict paths',
    request('GET /Files/a%2Fb;v=1/./c', 'Host: strict.example'),
    (seen) => {
      expect(seen.target).toBe('/Files/a%2Fb;v=1/./c');
    },
  ),
  forwarded(
    'P7k',
    'with strict paths a target that a framework could read otherwise goes on in normal form',
    request('GET /ADMIN/../x', 'Host: strict.example'),
    (seen) => {
      expect(seen.target).toBe('/x');
    },
  ),
  forwarded(
    'F1',
    'forwarding fields of an untrusted client are replaced',
    get(
      '/api',
      'X-Forwarded-For: 6.6.6.6',
      'X-Forwarded-Proto: https',
      'X-Real-IP: 6.6.6.6',
      'Forwarded: for=6.6.6.6',
      'X-Request-Id: mine',
    ),
    (seen, response) => {
      expect(valuesOf(seen, 'x-forwarded-for')).toEqual(['127.0.0.1']);
      expect(valuesOf(seen, 'x-forwarded-proto')).toEqual(['http']);
      expect(names(seen)).not.toContain('x-real-ip');
      expect(names(seen)).not.toContain('forwarded');
      expect(valuesOf(seen, 'x-request-id')).toEqual(valuesOf(response, 'x-request-id'));
      expect(valuesOf(seen, 'x-request-id')).not.toContain('mine');
    },
  ),
  forwarded(
    'F2',
    'managed names in underscores are dropped, others pass',
    get('/api', 'X_Forwarded_For: 6.6.6.6', 'x_mine: 1'),
    (seen) => {
      expect(names(seen)).not.toContain('x_forwarded_for');
      expect(valuesOf(seen, 'x_mine')).toEqual(['1']);
    },
  ),
  forwarded(
    'F1b',
    'no field by which a proxy in front speaks for the client crosses from an untrusted one, in whatever spelling',
    get('/api', ...spoken.flatMap((name) => [`${name}: 6.6.6.6`, `${name.replaceAll('-', '_')}: 6.6.6.6`])),
    (seen) => {
      expect(seen.fields.filter(([, value]) => value.includes('6.6.6.6'))).toEqual([]);
      expect(valuesOf(seen, 'x-forwarded-for')).toEqual(['127.0.0.1']);
    },
  ),
  forwarded(
    'F1c',
    'fields whose names only look alike cross',
    get('/api', ...alike.map((name) => `${name}: 1`)),
    (seen) => {
      expect(names(seen)).toEqual(expect.arrayContaining(alike.map((name) => name.toLowerCase())));
    },
  ),
  forwarded(
    'F3',
    'names of the object prototype change nothing',
    get('/api?__proto__=1', '__proto__: 1', 'constructor: 2'),
    (seen) => {
      expect(valuesOf(seen, '__proto__')).toEqual(['1']);
      expect(valuesOf(seen, 'constructor')).toEqual(['2']);
    },
  ),
];

describe.each(engineNames)('the gateway with the %s engine', (engine) => {
  let gateway: TestGateway;
  let origin: RecordingOrigin;
  beforeAll(async () => {
    origin = await startRecordingOrigin();
    const fixed = (service: string) => ({
      service,
      instances: [{ address: '127.0.0.1', port: origin.port }],
      settings: {},
    });
    gateway = await startTestGateway({
      engine,
      routes: [
        ...['h', 'real.example', 'evil-only.example'].map((host) => routeConfig('/', 'one', { host })),
        routeConfig('/', 'none', { host: 'only.example' }),
        routeConfig('/strip', 'one', { host: 'h', strip: '/strip' }),
        routeConfig('/empty', 'none', { host: 'h' }),
        routeConfig('/', 'one', { host: 'strict.example', paths: 'strict' }),
        routeConfig('/admin', 'none', { host: 'strict.example' }),
      ],
      services: [fixed('one'), { service: 'none', instances: [], settings: {} }],
    });
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await origin.close();
  });

  it('has cases with ids of their own', () => {
    expect(new Set(cases.map(({ id }) => id)).size).toBe(cases.length);
  });

  it.each(cases.map((one) => [one.id, one.fact, one] as const))('%s: %s', async (_id, _fact, one) => {
    const before = origin.requests().length;
    origin.play({ request: () => one.answer ?? ok() });
    const client = await openRawClient(gateway.gateway.address.port);
    client.send(one.request);
    const response = await client.response(one.method ?? one.request.slice(0, one.request.indexOf(' ')));
    one.expect({ response, requests: origin.requests().slice(before) });
    client.destroy();
  });
});
