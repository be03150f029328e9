import { describe, expect, it } from 'vitest';

import type { FieldLines } from '../http/field-lines.ts';
import type { RequestHead } from '../http/message.ts';
import { createRetryBudget } from './retry-budget.ts';
import {
  answer,
  attempt,
  field,
  head,
  refused,
  relay,
  reset,
  route,
  setUp,
  timeouts,
} from './testing/drive.ts';

describe('an exchange that goes well', () => {
  it('attempts, relays and leaves a record; the endpoint is free again', () => {
    const { open, records, upstream } = setUp();
    const exchange = open(head());
    const step = attempt(exchange.first);
    expect(step).toMatchObject({
      method: 'GET',
      target: '/api/x?q=1',
      upgrade: undefined,
      timeouts,
      connection: 'any',
    });
    expect(upstream.endpoints.map((e) => e.inFlight)).toEqual([1, 0]);
    const relayed = relay(exchange.responded({ status: 200, reason: 'OK', fields: ['Server', 'x'] }));
    expect(relayed.fields).toEqual([
      'Server',
      'x',
      'Date',
      'Fri, 20 Nov 2026 12:00:00 GMT',
      'X-Request-Id',
      'id-1',
    ]);
    exchange.ended();
    exchange.ended();
    expect(upstream.endpoints.map((e) => e.inFlight)).toEqual([0, 0]);
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({
      requestId: 'id-1',
      method: 'GET',
      host: 'example.org',
      path: '/api/x',
      route: '/api',
      service: 'api',
      instance: 'a',
      status: 200,
      error: undefined,
      attempts: [{ instance: 'a', error: undefined }],
    });
  });

  it('takes turns', () => {
    const { open } = setUp();
    const ids = [1, 2, 3, 4].map(() => {
      const exchange = open(head());
      const { endpoint } = attempt(exchange.first);
      exchange.ended();
      return endpoint.instance.id;
    });
    expect(ids).toEqual(['a', 'b', 'a', 'b']);
  });

  it('sends a client that has logged in to where it is logged in, and hedges nothing of it', () => {
    const { open, upstream } = setUp();
    const key = upstream.endpoints[1]?.instance.key ?? '';
    const client = { ...head().client, logins: { instances: [key], close: () => undefined } };
    for (let i = 0; i < 3; i += 1) {
      const exchange = open(head({ client }));
      expect(attempt(exchange.first)).toMatchObject({ endpoint: upstream.endpoints[1], hedgeAfterMs: 0 });
      exchange.ended();
    }
  });

  it('strips a prefix and refuses what has another normal form then', () => {
    const { open } = setUp({ routes: [route({ strip: '/api' })] });
    expect(attempt(open(head()).first).target).toBe('/x?q=1');
    expect(attempt(open(head({ target: '/api' })).first).target).toBe('/');
    expect(answer(open(head({ target: '/api//evil' })).first).status).toBe(400);
  });
});

describe('refusals', () => {
  it.each<[string, Partial<RequestHead>, FieldLines, number]>([
    ['R07 TRACE', { method: 'TRACE' }, [], 405],
    ['R22 CONNECT', { method: 'CONNECT', target: 'x:1' }, [], 405],
    ['R09 an unknown expectation', {}, ['Expect', 'magic'], 417],
    ['R20 no Host', { fields: [] }, [], 400],
    ['R20 two Hosts', {}, ['host', 'example.org'], 400],
    ['R20 Host with a slash', { fields: ['Host', 'a/evil'] }, [], 400],
    ['R20 Host with userinfo', { fields: ['Host', 'a@evil'] }, [], 400],
    ['R20 Host with a bad port', { fields: ['Host', 'a:99999'] }, [], 400],
    ['R20 Host with a space', { fields: ['Host', 'a b'] }, [], 400],
    ['R23 GET *', { target: '*' }, [], 400],
    ['R24 a fragment', { target: '/a#b' }, [], 400],
    ['R22 authority-form with GET', { target: 'example.org:80' }, [], 400],
    ['R05 two Authorizations', {}, ['Authorization', 'a', 'authorization', 'b'], 400],
    ['R29 an upgrade with a body', { upgrade: 'websocket', body: { kind: 'length', bytes: 5 } }, [], 400],
    ['R06 our own hop in Via', {}, ['Via', '1.1 other, 1.1 Roundhouse (x)'], 508],
    ['P2 an encoded climb', { target: '/public/..%2fapi' }, [], 400],
    ['no route', { target: '/apiary' }, [], 404],
  ])('%s', (_, more, extra, status) => {
    const { open, records } = setUp();
    const exchange = open(head(more, extra));
    expect(answer(exchange.first).status).toBe(status);
    exchange.ended();
    expect(records[0]).toMatchObject({ status, attempts: [] });
  });

  it('answers OPTIONS * and OPTIONS whose Max-Forwards is used up', () => {
    const { open } = setUp();
    expect(answer(open(head({ method: 'OPTIONS', target: '*' })).first)).toMatchObject({
      status: 204,
      body: '',
    });
    expect(answer(open(head({ method: 'OPTIONS' }, ['Max-Forwards', '0'])).first).status).toBe(204);
    const passed = attempt(open(head({ method: 'OPTIONS' }, ['Max-Forwards', '2'])).first);
    expect(field(passed.fields, 'max-forwards')).toEqual(['1']);
  });

  it('is 503 with Retry-After for a claimed path without a live instance', () => {
    const { open } = setUp({ ids: [] });
    const step = answer(open(head()).first);
    expect(step.status).toBe(503);
    expect(field(step.fields, 'retry-after')).toHaveLength(1);
    expect(field(step.fields, 'proxy-status')).toEqual(['roundhouse; error=destination_unavailable']);
    expect(JSON.parse(step.body)).toMatchObject({ status: 503, code: 'no_endpoint', requestId: 'id-1' });
  });

  it('gives a browser a page and a tool JSON', () => {
    const { open } = setUp({ ids: [] });
    const page = answer(open(head({}, ['Accept', 'text/html,*/*;q=0.8'])).first);
    expect(field(page.fields, 'content-type')).toEqual(['text/html; charset=utf-8']);
    const json = answer(open(head({}, ['Accept', 'application/json, text/html'])).first);
    expect(field(json.fields, 'content-type')).toEqual(['application/problem+json']);
  });

  it('answers and records a message that has no usable head', () => {
    const { exchanges, records } = setUp();
    expect(exchanges.refuse('fields_too_large', head().client)).toMatchObject({
      status: 431,
      connection: 'close',
    });
    expect(records[0]).toMatchObject({ status: 431, error: 'fields_too_large', clientAddress: '192.0.2.7' });
    const detail = 'Header line 2 is folded.';
    const { body } = exchanges.refuse('bad_request', head().client, detail);
    expect(JSON.parse(body)).toMatchObject({ code: 'bad_request', detail });
    expect(records[1]).toMatchObject({ error: 'bad_request', detail });
  });
});

describe('request fields', () => {
  const sent = (extra: FieldLines, more: Partial<RequestHead> = {}) =>
    attempt(setUp().open(head(more, extra)).first).fields;

  it('R04 keeps end-to-end lines, their order and their spelling, and repeats repeated ones', () => {
    const fields = sent(['X-b', '2', 'cookie', 'a=1', 'X-a', '1', 'Cookie', 'b=\u00e9']);
    expect(fields.slice(0, 10)).toEqual([
      'Host',
      'example.org',
      'X-b',
      '2',
      'cookie',
      'a=1',
      'X-a',
      '1',
      'Cookie',
      'b=\u00e9',
    ]);
  });

  it('R01 R03 drops what concerns one connection, named or not', () => {
    const fields = sent([
      'Connection',
      'X-Drop, keep-alive',
      'connection',
      'x-too',
      'X-Drop',
      '1',
      'X-Too',
      '2',
      'Keep-Alive',
      'timeout=5',
      'TE',
      'trailers',
      'Proxy-Connection',
      'x',
      'Proxy-Authorization',
      'secret',
      'Upgrade',
      'h2c',
      'HTTP2-Settings',
      'x',
      'Transfer-Encoding',
      'chunked',
      'Content-Length',
      '5',
      'Trailer',
      'x',
    ]);
    const names = fields.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
    expect(names).toEqual([
      'host',
      'via',
      'x-forwarded-for',
      'x-forwarded-proto',
      'x-forwarded-host',
      'x-forwarded-port',
      'x-request-id',
    ]);
  });

  it('R02 lets Connection not nominate what gives the message its meaning, nor what the gateway writes', () => {
    const fields = sent([
      'Connection',
      'host, authorization, x-forwarded-for, via, x-request-id, cookie',
      'Authorization',
      'a',
      'Cookie',
      'c',
    ]);
    expect(field(fields, 'host')).toEqual(['example.org']);
    expect(field(fields, 'authorization')).toEqual(['a']);
    expect(field(fields, 'x-forwarded-for')).toEqual(['192.0.2.7']);
    expect(field(fields, 'via')).toEqual(['1.1 roundhouse']);
  });

  it('F1 believes forwarding fields from trusted peers only', () => {
    const lies: FieldLines = [
      'X-Forwarded-For',
      '6.6.6.6',
      'X-Forwarded-Proto',
      'https',
      'X-Forwarded-Host',
      'evil',
      'X-Real-IP',
      '6.6.6.6',
      'X-Forwarded-User',
      'root',
      'X-Request-Id',
      'theirs',
      'Forwarded',
      'for=6.6.6.6',
    ];
    const untrusted = sent(lies);
    expect(field(untrusted, 'x-forwarded-for')).toEqual(['192.0.2.7']);
    expect(field(untrusted, 'x-forwarded-proto')).toEqual(['http']);
    expect(field(untrusted, 'x-real-ip')).toEqual([]);
    expect(field(untrusted, 'x-forwarded-user')).toEqual([]);
    expect(field(untrusted, 'forwarded')).toEqual([]);
    expect(field(untrusted, 'x-request-id')).toEqual(['id-1']);
    const trusted = sent(lies, { client: { address: '10.9.9.9', port: 1, scheme: 'http', localPort: 8080 } });
    expect(field(trusted, 'x-forwarded-for')).toEqual(['6.6.6.6, 10.9.9.9']);
    expect(field(trusted, 'x-forwarded-proto')).toEqual(['https']);
    expect(field(trusted, 'x-real-ip')).toEqual(['6.6.6.6']);
    expect(field(trusted, 'x-forwarded-user')).toEqual(['root']);
    expect(field(trusted, 'x-request-id')).toEqual(['theirs']);
  });

  it('F2 drops managed names disguised with underscores', () => {
    const fields = sent(['X_Forwarded_For', '6.6.6.6', 'Content_Length', '5', 'my_field', 'kept']);
    expect(field(fields, 'x_forwarded_for')).toEqual([]);
    expect(field(fields, 'content_length')).toEqual([]);
    expect(field(fields, 'my_field')).toEqual(['kept']);
  });

  it('R06 appends itself to Via', () => {
    expect(field(sent(['Via', '1.0 fred']), 'via')).toEqual(['1.0 fred, 1.1 roundhouse']);
  });

  it('R21 lets the authority of an absolute form replace Host, for routing and forwarding alike', () => {
    const { open } = setUp({ routes: [route({ host: 'one.example' })] });
    const step = attempt(
      open(head({ target: 'http://One.example:8080/api', fields: ['Host', 'two.example'] })).first,
    );
    expect(field(step.fields, 'host')).toEqual(['One.example:8080']);
    expect(step.target).toBe('/api');
  });

  it('writes RFC 7239 when asked to, with IPv6 in quotes and brackets', () => {
    const { open } = setUp({ context: { forwardedFields: 'forwarded' } });
    const step = attempt(
      open(head({ client: { address: '2001:db8::1', port: 1, scheme: 'http', localPort: 80 } })).first,
    );
    expect(field(step.fields, 'forwarded')).toEqual(['for="[2001:db8::1]";host="example.org";proto=http']);
    expect(field(step.fields, 'x-forwarded-for')).toEqual([]);
  });

  it('R08 passes Expect: 100-continue on, but not that of an HTTP/1.0 client, which is ignored', () => {
    expect(field(sent(['Expect', '100-continue']), 'expect')).toEqual(['100-continue']);
    expect(field(sent(['Expect', 'magic'], { version: '1.0' }), 'expect')).toEqual([]);
  });

  it('R29 takes an upgrade that says in so many words that it has no body', () => {
    const { open } = setUp();
    const step = open(head({ upgrade: 'websocket', body: { kind: 'length', bytes: 0 } })).first;
    expect(attempt(step).upgrade).toBe('websocket');
  });

  it('R28 upgrades to websocket only', () => {
    const { open } = setUp();
    expect(attempt(open(head({ upgrade: 'websocket' })).first).upgrade).toBe('websocket');
    expect(attempt(open(head({ upgrade: 'h2c' })).first).upgrade).toBeUndefined();
  });
});

describe('response fields', () => {
  it('R01 drops what the instance’s Connection names, keeps the rest line by line', () => {
    const { open } = setUp();
    const exchange = open(head());
    const step = relay(
      exchange.responded({
        status: 200,
        reason: 'Fine',
        fields: [
          'Set-Cookie',
          'a',
          'set-cookie',
          'b',
          'Connection',
          'x-secret',
          'X-Secret',
          '1',
          'Keep-Alive',
          'x',
          'Date',
          'then',
          'X-Request-Id',
          'theirs',
          'Proxy-Authenticate',
          'x',
        ],
      }),
    );
    expect(step.fields).toEqual([
      'Set-Cookie',
      'a',
      'set-cookie',
      'b',
      'Date',
      'then',
      'X-Request-Id',
      'id-1',
    ]);
    expect(step.reason).toBe('Fine');
  });

  it('R10 passes interim heads on, but not to HTTP/1.0 and never a 101', () => {
    const hints = { status: 103, reason: 'Early Hints', fields: ['Link', '</a>', 'Connection', 'x'] };
    expect(setUp().open(head()).interim(hints)).toEqual(['Link', '</a>']);
    expect(
      setUp()
        .open(head({ version: '1.0' }))
        .interim(hints),
    ).toBeUndefined();
    expect(
      setUp()
        .open(head())
        .interim({ ...hints, status: 101 }),
    ).toBeUndefined();
  });

  it('R08 passes one 100 on, to a client that waits for it', () => {
    const goOn = { status: 100, reason: 'Continue', fields: [] };
    expect(setUp().open(head()).interim(goOn)).toBeUndefined();
    const exchange = setUp().open(head({ body: { kind: 'chunked' } }, ['Expect', '100-Continue']));
    expect(exchange.interim(goOn)).toEqual([]);
    expect(exchange.interim(goOn)).toBeUndefined();
  });

  it.each([99, 100, 600, 999, 0])('R44 answers 502 for status %d', (status) => {
    const { open } = setUp();
    const exchange = open(head());
    expect(answer(exchange.responded({ status, reason: '', fields: [] })).status).toBe(502);
  });

  it('R31 answers 502 for a 101 that nobody asked for, or to another protocol', () => {
    const { open } = setUp();
    const plain = open(head());
    expect(
      answer(
        plain.responded({
          status: 101,
          reason: '',
          fields: ['Connection', 'Upgrade', 'Upgrade', 'websocket'],
        }),
      ).status,
    ).toBe(502);
    const upgrade = open(head({ upgrade: 'websocket' }));
    expect(
      answer(
        upgrade.responded({ status: 101, reason: '', fields: ['Connection', 'upgrade', 'Upgrade', 'h2c'] }),
      ).status,
    ).toBe(502);
    const unsaid = open(head({ upgrade: 'websocket' }));
    expect(
      answer(unsaid.responded({ status: 101, reason: '', fields: ['Upgrade', 'websocket'] })).status,
    ).toBe(502);
    const agreed = open(head({ upgrade: 'websocket' }));
    expect(
      relay(
        agreed.responded({
          status: 101,
          reason: '',
          fields: ['Connection', 'Upgrade', 'Upgrade', 'WebSocket'],
        }),
      ).status,
    ).toBe(101);
  });
});

describe('retries', () => {
  it('tries any method elsewhere when nothing was sent, and the refused endpoint is ejected at once', () => {
    const { open, records, upstream } = setUp();
    const exchange = open(head({ method: 'POST', body: { kind: 'chunked' } }));
    expect(attempt(exchange.first).endpoint.instance.id).toBe('a');
    expect(attempt(exchange.failed(refused)).endpoint.instance.id).toBe('b');
    expect(upstream.endpoints[0]?.health.state).toBe('ejected');
    relay(exchange.responded({ status: 200, reason: 'OK', fields: [] }));
    exchange.ended();
    expect(records[0]).toMatchObject({
      attempts: [
        { instance: 'a', kind: 'first', end: 'failed', error: 'connect_refused', status: undefined },
        { instance: 'b', kind: 'retry', end: 'answered', error: undefined, status: 200 },
      ],
      retries: 1,
    });
  });

  it('repeats an idempotent request after a reset, but no POST and nothing whose body was taken', () => {
    const { open } = setUp();
    const get = open(head());
    expect(get.failed(reset).kind).toBe('attempt');
    const post = open(head({ method: 'POST' }));
    expect(answer(post.failed(reset)).status).toBe(502);
    const put = open(head({ method: 'PUT', body: { kind: 'chunked' } }));
    expect(answer(put.failed({ ...reset, sent: 'body' })).status).toBe(502);
  });

  it('says what was wrong with a response head in the log, and to no client', () => {
    const { open, records } = setUp();
    const exchange = open();
    const detail = 'Header line 2 is folded.';
    const step = answer(
      exchange.failed({ code: 'upstream_protocol', sent: 'head', connection: 'fresh', detail }),
    );
    expect(step.status).toBe(502);
    expect(step.body).not.toContain(detail);
    exchange.ended();
    expect(records[0]?.attempts).toMatchObject([{ error: 'upstream_protocol', detail }]);
  });

  it('answers with the last failure when every endpoint was tried', () => {
    const { open } = setUp();
    const exchange = open(head());
    exchange.failed(refused);
    const step = answer(exchange.failed({ code: 'connect_timeout', sent: 'nothing', connection: 'fresh' }));
    expect(step.status).toBe(504);
    expect(JSON.parse(step.body)).toMatchObject({ code: 'connect_timeout' });
  });

  it('makes no more attempts than allowed', () => {
    const { open } = setUp({ ids: ['a', 'b', 'c', 'd', 'e'] });
    const exchange = open(head());
    const steps = [exchange.first, exchange.failed(reset), exchange.failed(reset), exchange.failed(reset)];
    expect(steps.map((step) => step.kind)).toEqual(['attempt', 'attempt', 'attempt', 'answer']);
  });

  it('does not count an attempt that was refused while there is another instance, unless retries are off', () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const exchange = setUp({ ids }).open(head());
    const failures = [refused, refused, refused, refused, reset, reset, reset];
    const kinds = failures.map((failure) => exchange.failed(failure).kind);
    expect(kinds).toEqual([...Array.from({ length: 6 }, () => 'attempt'), 'answer']);
    const dead = setUp({ ids }).open(head());
    expect(ids.map(() => dead.failed(refused).kind)).toEqual(kinds);
    const slow = setUp({ ids }).open(head());
    const timedOut = { ...refused, code: 'connect_timeout' } as const;
    expect([1, 2, 3].map(() => slow.failed(timedOut).kind)).toEqual(['attempt', 'attempt', 'answer']);
    const many = Array.from({ length: 40 }, (_, index) => `i${index}`);
    const down = setUp({ ids: many }).open(head());
    const asked = 1 + many.filter(() => down.failed(refused).kind === 'attempt').length;
    expect(asked).toBe(16 + 3);
    const retry = { attempts: 1, statuses: [], nonIdempotent: 'never' } as const;
    const once = setUp({ ids, destination: { retry } }).open(head());
    expect(once.failed(refused).kind).toBe('answer');
  });

  it('tries the only instance again on a fresh connection when a pooled one had been closed, without blaming it', () => {
    const { open, upstream } = setUp({ ids: ['a'] });
    const exchange = open(head());
    const again = attempt(exchange.failed({ ...reset, connection: 'reused' }));
    expect(again).toMatchObject({ connection: 'fresh', endpoint: { instance: { id: 'a' } } });
    expect(upstream.endpoints[0]?.health).toMatchObject({ state: 'healthy', failures: 0 });
  });

  it('keeps resets within the budget; refused connections need none', () => {
    const { open } = setUp({
      destination: { budget: createRetryBudget({ ratio: 0, floorPerSecond: 0, maxConcurrent: 0 }) },
    });
    const one = open(head());
    expect(one.failed(reset).kind).toBe('answer');
    const two = open(head());
    expect(two.failed(refused).kind).toBe('attempt');
  });

  it('never retries, blames or answers for a client that left', () => {
    const { open, records, upstream } = setUp();
    const exchange = open(head());
    expect(exchange.failed({ code: 'client_closed', sent: 'head', connection: 'fresh' }).kind).toBe('finish');
    exchange.ended({ kind: 'client_closed', requestBytes: 0, responseBytes: 0 });
    expect(records[0]).toMatchObject({ status: 499, error: 'client_closed', instance: undefined });
    expect(upstream.endpoints.every((e) => e.inFlight === 0 && e.health.state === 'healthy')).toBe(true);
  });

  it('blames an instance that breaks off in mid-answer', () => {
    const { open, records, upstream } = setUp({ ids: ['a'] });
    for (let i = 0; i < 3; i += 1) {
      const exchange = open(head());
      exchange.responded({ status: 200, reason: 'OK', fields: [] });
      exchange.ended({ kind: 'response_incomplete', requestBytes: 0, responseBytes: 1 });
    }
    expect(records[2]).toMatchObject({ status: 200, error: 'response_incomplete', instance: 'a' });
    expect(upstream.endpoints[0]?.health.state).toBe('ejected');
  });

  it('does not blame an instance that closes in the middle of a request', () => {
    const { open, records, upstream } = setUp({ ids: ['a'] });
    const counts = { requestBytes: 5, responseBytes: 1 };
    for (let i = 0; i < 3; i += 1) {
      const silent = open(head({ method: 'POST' }));
      silent.failed({ code: 'upload_refused', sent: 'body', connection: 'fresh' });
      silent.ended({ kind: 'complete', ...counts });
      const answered = open(head({ method: 'POST' }));
      answered.responded({ status: 413, reason: 'Large', fields: [] });
      answered.ended({ kind: 'response_incomplete', uploading: true, ...counts });
    }
    expect(records.map(({ status, error }) => [status, error]).slice(0, 2)).toEqual([
      [502, 'upload_refused'],
      [413, 'response_incomplete'],
    ]);
    expect(upstream.endpoints[0]?.health.state).toBe('healthy');
  });
});
