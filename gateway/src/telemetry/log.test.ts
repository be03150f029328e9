import { describe, expect, it } from 'vitest';

import { createLog, logFormat, type LogFormat, type LogLevel } from './log.ts';

function capture(format: LogFormat, level: LogLevel = 'info') {
  const lines: string[] = [];
  const sink = {
    write: (line: string) => lines.push(line),
    dropped: () => 0,
    flush: () => Promise.resolve(),
  };
  return { lines, log: createLog({ level, format, sink }) };
}

const evil = '\u001b[2J\u009b2J\nlevel=info forged\u202e %s %d';

describe('createLog', () => {
  it('writes one JSON object per line: level, ISO time, fields, message', () => {
    const { lines, log } = capture('json');
    log.warn('registry stale', { service: 'api', ageMs: 5 });
    const parsed = JSON.parse(lines[0]!) as Record<string, unknown>;
    expect(parsed).toMatchObject({ level: 'warn', service: 'api', ageMs: 5, msg: 'registry stale' });
    expect(new Date(parsed['time'] as string).toISOString()).toBe(parsed['time']);
    expect(parsed).not.toHaveProperty('pid');
  });

  it('keeps quiet below its level, and at silent always', () => {
    const info = capture('json');
    info.log.debug('x');
    info.log.info('y');
    expect(info.lines).toHaveLength(1);
    const silent = capture('plain', 'silent');
    silent.log.error('x');
    expect(silent.lines).toEqual([]);
  });

  it('lets no text from outside break a JSON line or reach the terminal raw', () => {
    const { lines, log } = capture('json');
    log.info(evil, { path: evil });
    expect(lines[0]!.slice(0, -1)).not.toMatch(/\p{Cc}|\u202e/u);
    expect(JSON.parse(lines[0]!)).toMatchObject({ msg: evil, path: evil });
  });

  it('shows controls as escapes to eyes, in messages, fields, nested fields, keys and errors', () => {
    const { lines, log } = capture('plain');
    log.error(evil, { path: evil, deep: { list: [evil], [evil]: 1 }, err: new Error(evil) });
    const text = lines.join('');
    expect(text).toContain('\\u001b[2J\\u009b2J\\u000alevel=info forged\\u202e %s %d');
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}|\u202e/u);
    expect(text).not.toMatch(/^level=info forged/m);
  });

  it('shows the stack of an error in both formats', () => {
    for (const format of ['json', 'plain'] as const) {
      const { lines, log } = capture(format);
      log.error('failed', { err: new TypeError('boom') });
      expect(lines.join('')).toContain('log.test.ts');
      expect(lines.join('')).toContain('TypeError');
    }
  });

  it('survives fields that refer to themselves', () => {
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    for (const format of ['json', 'plain'] as const) {
      const { lines, log } = capture(format);
      log.info('x', { loop, big: 1n });
      expect(lines).toHaveLength(1);
    }
  });
});

describe('logFormat', () => {
  it('is JSON away from a terminal, and colourless where colour is not wanted', () => {
    expect(logFormat('other', {})).toBe('json');
    expect(logFormat('terminal', {})).toBe('colour');
    expect(logFormat('terminal', { NO_COLOR: '1' })).toBe('plain');
    expect(logFormat('terminal', { NO_COLOR: '' })).toBe('colour');
    expect(logFormat('terminal', { TERM: 'dumb' })).toBe('plain');
  });
});
