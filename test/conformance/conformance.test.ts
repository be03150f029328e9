import { expect, describe, it } from 'vitest';

import { bodyCases } from './body-cases.ts';
import { requestCases } from './request-cases.ts';
import { responseCases } from './response-cases.ts';
import { engineNames, type EngineName } from './subject.ts';
import { message, runCase, type Case } from './trial.ts';
import { upgradeCases } from './upgrade-cases.ts';

const cases = [...requestCases(), ...responseCases(), ...bodyCases(), ...upgradeCases()];

/** What an engine does instead of a case of the table, by the case's id, with the reason why that is safe. */
const differences: Readonly<Record<EngineName, Readonly<Record<string, Case>>>> = {
  'http-proxy': {
    R04b: {
      id: 'R04b',
      fact: "a method that Node's parser doesn't know is refused with 400, and nothing is forwarded",
      run: async ({ exchange, origin }) => {
        expect((await exchange(message('BREW /pot'))).status).toBe(400);
        expect(origin.connections).toHaveLength(0);
      },
    },
  },
};

describe.each(engineNames)('the %s engine', (engine) => {
  it('differs only in cases that there are', () => {
    const ids = cases.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(Object.keys(differences[engine]).filter((id) => !ids.includes(id))).toEqual([]);
  });
  for (const shared of cases) {
    const trial = differences[engine][shared.id] ?? shared;
    it(`${trial.id}: ${trial.fact}`, () => runCase(engine, trial));
  }
});
