import { afterEach, describe, expect, it, vi } from 'vitest';

import { createReport, logFrom } from './log.ts';

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** What one event writes to stderr. */
function lineWith(env: Record<string, string>): string {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  let written = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    written += String(text);
    return true;
  });
  createReport('api')('info', 'registered', 'registered\nas api-1');
  return written;
}

describe('the log of a service', () => {
  it('is JSON where stderr is no terminal, one object per line', () => {
    const line = lineWith({ LOG_FORMAT: 'json' });
    expect(line.match(/\n/gu)).toHaveLength(1);
    expect(JSON.parse(line)).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-.*Z$/u) as string,
      service: 'api',
      kind: 'registered',
      msg: 'registered\nas api-1',
    });
  });

  it('is readable where LOG_FORMAT says so, and silent below LOG_LEVEL', () => {
    expect(lineWith({ LOG_FORMAT: 'text' })).toBe('api: registered\nas api-1\n');
    expect(lineWith({ LOG_LEVEL: 'warn' })).toBe('');
  });

  it('goes to a logger as fields and a message, with the logger as `this`', () => {
    const lines: unknown[] = [];
    const logger = {
      name: 'own',
      info(this: { name: string }, ...line: unknown[]) {
        lines.push([this.name, ...line]);
      },
      warn: () => undefined,
      error: () => undefined,
    };
    createReport('api', logFrom(logger))('info', 'live', 'live on all gateways');
    expect(lines).toEqual([['own', { service: 'api', kind: 'live' }, 'live on all gateways']]);
    expect(logFrom({ info: () => undefined })).toBeUndefined();
    expect(logFrom('x')).toBeUndefined();
  });
});
