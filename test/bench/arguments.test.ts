import { describe, expect, it } from 'vitest';

import { readArguments } from './arguments.ts';

const known = { scenarios: ['small', 'ws'], rows: ['wire', 'haproxy'] };

describe('readArguments', () => {
  it('measures everything in full by default and touches no file', () => {
    expect(readArguments([], known)).toEqual({
      pace: 'full',
      only: undefined,
      rows: undefined,
      format: 'text',
      docs: 'leave',
      jsonFile: undefined,
    });
  });

  it('takes lists of scenarios and rows', () => {
    const args = readArguments(['--quick', '--only', 'small,ws', '--rows=wire', '--json', 'out.json'], known);
    expect(args).toMatchObject({
      pace: 'quick',
      only: ['small', 'ws'],
      rows: ['wire'],
      jsonFile: 'out.json',
    });
  });

  it('names what there is when something else is asked for', () => {
    expect(readArguments(['--only', 'smal'], known)).toEqual({ problem: '--only smal: there is small, ws' });
    expect(readArguments(['--fast'], known)).toHaveProperty('problem');
  });
});
