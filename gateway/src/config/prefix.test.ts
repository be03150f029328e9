import { describe, expect, it } from 'vitest';

import { parsePrefix, parseRouteHost, takes } from './prefix.ts';

describe('parsePrefix', () => {
  it.each([
    ['/', '/'],
    ['/api', '/api'],
    ['/api/', '/api'],
    ['/a%70i', '/api'],
    ['/%7e/%e2%82%ac', '/~/%E2%82%AC'],
    ['/a.b/..c', '/a.b/..c'],
  ])('reads %s as %s', (text, value) => {
    expect(parsePrefix(text)).toEqual({ value });
  });

  it.each([
    '',
    'api',
    '//',
    '/api//',
    '/a//b',
    '/.',
    '/a/..',
    '/a/%2e%2E/b',
    '/a%2fb',
    '/a%5cb',
    '/a\\b',
    '/a?b',
    '/a#b',
    '/a b',
    '/a%',
    '/a%zz',
    '/ä',
    '/a%00',
    '/a*%0a',
    '*',
    `/${'a'.repeat(1100)}`,
  ])('refuses %j', (text) => {
    expect(parsePrefix(text)).toHaveProperty('problem');
  });
});

describe('parseRouteHost', () => {
  it('drops case and the trailing dot, and takes a wildcard label', () => {
    expect(parseRouteHost('Shop.Example.org.')).toEqual({ value: 'shop.example.org' });
    expect(parseRouteHost('*.example.org')).toEqual({ value: '*.example.org' });
    expect(parseRouteHost('10.0.0.1')).toEqual({ value: '10.0.0.1' });
  });

  it.each(['', '*', '*.', 'a:80', 'a/b', 'a..b', '*.10.0.0.1', '[::1]', '::1', 'a.*.b', 'http://a'])(
    'refuses %j',
    (text) => {
      expect(parseRouteHost(text)).toHaveProperty('problem');
    },
  );
});

describe('takes', () => {
  it('ends at a segment boundary', () => {
    expect(takes('/api', '/api')).toBe(true);
    expect(takes('/api', '/api/x')).toBe(true);
    expect(takes('/api', '/apiary')).toBe(false);
    expect(takes('/', '/x')).toBe(true);
  });
});
