import { describe, expect, it } from 'vitest';

import {
  agreesToUpgrade,
  isWebSocketUpgrade,
  keepAliveSeconds,
  offeredUpgrade,
  responsePersistence,
} from './connection.ts';
import { readHeaders } from './header-facts.ts';

describe('offeredUpgrade', () => {
  const offered = (...fields: string[]) => offeredUpgrade(readHeaders(fields), '1.1');

  it('joins lines and spells in lower case, where Connection lists upgrade', () => {
    const offer = ['Upgrade', 'WebSocket', 'upgrade', 'H2C'];
    expect(offered('Connection', 'close , UPGRADE', ...offer)).toBe('websocket, h2c');
    expect(offered('Connection', 'keep-alive', 'Connection', 'upgrade', ...offer)).toBe('websocket, h2c');
    expect(offered(...offer)).toBeUndefined();
    expect(offered('Connection', 'upgraded', ...offer)).toBeUndefined();
    expect(offered('Connection', 'upgrade')).toBeUndefined();
  });

  it('R27 knows none in HTTP/1.0', () => {
    const headers = readHeaders(['Connection', 'Upgrade', 'Upgrade', 'websocket']);
    expect(offeredUpgrade(headers, '1.0')).toBeUndefined();
  });
});

describe('isWebSocketUpgrade', () => {
  it('R28 finds it in a list and takes nothing for it that only looks alike', () => {
    expect(isWebSocketUpgrade({ upgrade: 'h2c, websocket', method: 'GET' })).toBe(true);
    expect(isWebSocketUpgrade({ upgrade: 'websocket', method: 'POST' })).toBe(false);
    for (const upgrade of [undefined, '', 'h2c', 'websocket2', 'websocket/13'])
      expect(isWebSocketUpgrade({ upgrade, method: 'GET' })).toBe(false);
  });
});

describe('agreesToUpgrade', () => {
  it('R31 is to the protocol that was asked for, and said in Connection', () => {
    const said = (upgrade: string) => readHeaders(['Connection', 'Upgrade', 'Upgrade', upgrade]);
    expect(agreesToUpgrade(said('WebSocket'), 'websocket')).toBe(true);
    expect(agreesToUpgrade(said('h2c'), 'websocket')).toBe(false);
    expect(agreesToUpgrade(said('websocket'), undefined)).toBe(false);
    expect(agreesToUpgrade(readHeaders(['Upgrade', 'websocket']), 'websocket')).toBe(false);
    expect(agreesToUpgrade(readHeaders([]), undefined)).toBe(false);
  });
});

describe('responsePersistence', () => {
  const body = { kind: 'length', bytes: 1 } as const;
  it.each([
    [[], 200, '1.1', 'keep'],
    [['Connection', 'Close'], 200, '1.1', 'close'],
    [['Connection', 'keep-alive'], 200, '1.0', 'close'],
    [['Content-Length', '3'], 204, '1.1', 'close'],
    [['Content-Length', '0'], 204, '1.1', 'keep'],
    [['Transfer-Encoding', 'chunked'], 204, '1.1', 'close'],
  ] as const)('R32 R36 %j with %i over HTTP/%s: %s', (fields, status, version, expected) => {
    expect(responsePersistence(readHeaders([...fields]), { status, version, body })).toBe(expected);
  });
});

describe('keepAliveSeconds', () => {
  it.each([
    ['timeout=5', 5],
    ['timeout=5', 5],
    ['max=100, timeout = "30"', 30],
    ['max=100', -1],
    ['xtimeout=5', -1],
    ['Timeout=7, max=9', 7],
  ])('reads %j as %i', (value, seconds) => {
    expect(keepAliveSeconds(readHeaders(['Keep-Alive', value]))).toBe(seconds);
  });

  it('is −1 where nothing is said', () => {
    expect(keepAliveSeconds(readHeaders([]))).toBe(-1);
  });
});
