import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';

import type { AttemptRecord, ExchangeRecord } from '../exchange/record.ts';
import { accessJson, accessText, createAccessLog, writesAccessLog } from './access-log.ts';

function attempt(more: Partial<AttemptRecord>): AttemptRecord {
  return {
    instance: 'a',
    kind: 'first',
    end: 'answered',
    error: undefined,
    status: 200,
    durationMs: 1,
    ...more,
  };
}

const plain: ExchangeRecord = {
  requestId: 'r-1',
  clientAddress: '127.0.0.1',
  method: 'GET',
  host: 'example.org',
  path: '/api/whoami',
  route: '/api',
  service: 'api-service',
  instance: 'x7k2',
  status: 200,
  error: undefined,
  attempts: [attempt({ instance: 'x7k2' })],
  retries: 0,
  end: { kind: 'complete', requestBytes: 0, responseBytes: 42 },
  durationMs: 3.14159,
  queuedMs: 0,
  upstreamMs: 2.5,
};

const parse = (record: ExchangeRecord): unknown => JSON.parse(accessJson(record, '2026-01-01T00:00:00.000Z'));

describe('accessJson', () => {
  it('holds what an operator greps for', () => {
    expect(parse(plain)).toEqual({
      level: 'info',
      time: '2026-01-01T00:00:00.000Z',
      msg: 'request',
      request_id: 'r-1',
      client: '127.0.0.1',
      method: 'GET',
      host: 'example.org',
      path: '/api/whoami',
      route: '/api',
      service: 'api-service',
      instance: 'x7k2',
      status: 200,
      duration_ms: 3.14,
      upstream_ms: 2.5,
      bytes_in: 0,
      bytes_out: 42,
    });
  });

  it('lists the attempts of a retried exchange, its error and its early end', () => {
    const record: ExchangeRecord = {
      ...plain,
      status: 502,
      error: 'connect_refused',
      instance: undefined,
      upstreamMs: undefined,
      attempts: [
        attempt({ end: 'failed', error: 'connect_timeout', status: undefined, durationMs: 2000.123 }),
        attempt({ instance: 'b', kind: 'retry', end: 'passed_over', status: 503 }),
      ],
      retries: 1,
      queuedMs: 12.345,
      end: { kind: 'client_closed', requestBytes: 1, responseBytes: 0 },
    };
    expect(parse(record)).toMatchObject({
      error: 'connect_refused',
      end: 'client_closed',
      queued_ms: 12.35,
      attempts: [
        { instance: 'a', kind: 'first', end: 'failed', error: 'connect_timeout', duration_ms: 2000.12 },
        { instance: 'b', kind: 'retry', end: 'passed_over', status: 503, duration_ms: 1 },
      ],
    });
    expect(parse(record)).not.toHaveProperty('upstream_ms');
  });

  it('names the instance and the cause of the only attempt, when it failed', () => {
    const failed = attempt({ end: 'failed', error: 'upstream_reset', status: undefined });
    const record: ExchangeRecord = { ...plain, status: 502, instance: undefined, attempts: [failed] };
    expect(parse(record)).toMatchObject({ attempts: [{ instance: 'a', error: 'upstream_reset' }] });
    const text = accessText(record, new Date(0), picocolors.createColors(false));
    expect(text).toContain('attempts=[a:upstream_reset]');
    const detailed = { ...failed, detail: 'Header line 2 is folded.' };
    expect(parse({ ...record, attempts: [detailed] })).toMatchObject({
      attempts: [{ detail: detailed.detail }],
    });
    const say = (of: ExchangeRecord): string => accessText(of, new Date(0), picocolors.createColors(false));
    expect(say({ ...record, attempts: [detailed] })).toContain(`upstream_reset(${detailed.detail})]`);
    expect(parse({ ...record, attempts: [] })).not.toHaveProperty('attempts');
  });

  it('says why a request was refused', () => {
    const record: ExchangeRecord = {
      ...plain,
      status: 400,
      error: 'bad_request',
      detail: 'Header line 2 is folded.',
    };
    expect(parse(record)).toMatchObject({ error: 'bad_request', detail: 'Header line 2 is folded.' });
    const text = accessText(record, new Date(0), picocolors.createColors(false));
    expect(text).toContain('bad_request (Header line 2 is folded.)');
  });

  it('keeps any text on one line of valid JSON, without controls, and unchanged in value', () => {
    const evil = 'a"\\\n\r\u001b[2J\u007f\u009b2J\u2028\u202e\u0000ÿ€😀\ud800';
    const line = accessJson({ ...plain, path: evil, host: evil, method: evil, service: evil }, 't');
    expect(line.slice(0, -1)).not.toMatch(/\p{Cc}|\u2028|\u202e/u);
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(JSON.parse(line)).toMatchObject({ path: evil, host: evil, method: evil, service: evil });
  });
});

describe('accessText', () => {
  it('is one line that no path can break or colour', () => {
    const off = picocolors.createColors(false);
    const line = accessText({ ...plain, path: '/\u001b[31m\nFAKE' }, new Date(2026, 0, 1, 9, 8, 7, 6), off);
    expect(line).toBe('09:08:07.006 200 GET /\\u001b[31m\\u000aFAKE → api-service x7k2 3.14 ms\n');
  });
});

describe('createAccessLog', () => {
  it('stamps each line with the time given', () => {
    const lines: string[] = [];
    let now = 0;
    const observe = createAccessLog({
      sink: { write: (line) => lines.push(line), dropped: () => 0, flush: () => Promise.resolve() },
      format: 'json',
      now: () => now,
    });
    observe(plain);
    observe(plain);
    now = 1;
    observe(plain);
    expect(lines.map((line) => (JSON.parse(line) as { time: string }).time)).toEqual([
      '1970-01-01T00:00:00.000Z',
      '1970-01-01T00:00:00.000Z',
      '1970-01-01T00:00:00.001Z',
    ]);
  });
});

describe('writesAccessLog', () => {
  it('follows the switch and the level, as access lines are of level info', () => {
    expect(writesAccessLog({ access: 'on', level: 'info' })).toBe(true);
    expect(writesAccessLog({ access: 'off', level: 'trace' })).toBe(false);
    expect(writesAccessLog({ access: 'on', level: 'warn' })).toBe(false);
  });
});
