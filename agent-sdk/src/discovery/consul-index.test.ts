import { describe, expect, it } from 'vitest';

import { stepIndex } from './consul-index.ts';

describe('stepIndex', () => {
  it.each([
    ['0', '7', { next: '7', kind: 'first' }],
    ['7', '9', { next: '9', kind: 'moved' }],
    ['7', '7', { next: '7', kind: 'same' }],
    ['7', '6', { next: '0', kind: 'backwards' }],
    ['7', '0', { next: '0', kind: 'backwards' }],
    ['0', '0', { next: '1', kind: 'none' }],
    ['1', '0', { next: '1', kind: 'none' }],
    ['1', '1', { next: '1', kind: 'same' }],
    ['9007199254740992', '9007199254740993', { next: '9007199254740993', kind: 'moved' }],
    ['9007199254740993', '9007199254740992', { next: '0', kind: 'backwards' }],
    ['18446744073709551614', '18446744073709551615', { next: '18446744073709551615', kind: 'moved' }],
    ['007', '8', { next: '8', kind: 'moved' }],
    ['7', '008', { next: '8', kind: 'moved' }],
  ])('goes from %s with %s', (asked, answered, step) => {
    expect(stepIndex(asked, answered)).toEqual(step);
  });

  it.each([undefined, '', 'garbage', '-1', '1.5', '1e3', '7, 8', '0x10', ' 7', '9'.repeat(400)])(
    'takes %j for no index at all',
    (answered) => {
      expect(stepIndex('7', answered)).toEqual({ next: '0', kind: 'none' });
    },
  );
});
