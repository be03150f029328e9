import { expect, describe, it } from 'vitest';

import { bodyCases } from './body-cases.ts';
import { differences } from './differences.ts';
import { requestCases } from './request-cases.ts';
import { responseCases } from './response-cases.ts';
import { earlyAnswerCases } from './early-answer-cases.ts';
import { loginCases } from './login-cases.ts';
import { engineNames } from './subject.ts';
import { runCase } from './trial.ts';
import { upgradeCases } from './upgrade-cases.ts';

const cases = [
  ...requestCases(),
  ...responseCases(),
  ...bodyCases(),
  ...earlyAnswerCases(),
  ...loginCases(),
  ...upgradeCases(),
];

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
