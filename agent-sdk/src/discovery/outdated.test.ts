import { describe, expect, it } from 'vitest';

import { outdated } from './outdated.ts';

describe('outdated', () => {
  const atPeace = { knownLeader: true, lastContactMs: 40 };
  const cutOff = { knownLeader: true, lastContactMs: 60_000 };

  it.each([
    [
      'a smaller index from a server at peace (a registry that was restored)',
      { ...atPeace, index: '5' },
      '50',
      false,
    ],
    ['a smaller index from a server that is cut off', { ...cutOff, index: '5' }, '50', true],
    ['a smaller index without a leader', { ...atPeace, knownLeader: false, index: '5' }, '50', true],
    ['the same index from a server that is cut off', { ...cutOff, index: '50' }, '50', false],
    ['a larger index from a server that is cut off', { ...cutOff, index: '51' }, '50', false],
    ['the first answer', { ...cutOff, index: '5' }, '0', false],
    ['an index of more than 53 bits', { ...cutOff, index: '9007199254740992' }, '9007199254740993', true],
    ['no index', { ...cutOff, index: undefined }, '50', false],
    ['garbage', { ...cutOff, index: '-1' }, '50', false],
    [
      'a streaming agent, which says neither',
      { knownLeader: undefined, lastContactMs: undefined, index: '5' },
      '50',
      false,
    ],
  ])('judges %s', (_title, answer, believedIndex, isOutdated) => {
    expect(outdated(answer, believedIndex) !== undefined).toBe(isOutdated);
  });
});
