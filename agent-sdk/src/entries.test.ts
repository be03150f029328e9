import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import * as sdk from './index.ts';

it('names every value of the SDK in the entry for `import`', () => {
  const entry = readFileSync(new URL('../entry/index.js', import.meta.url), 'utf8');
  const [, names = ''] = /export \{ (.*) \} from/.exec(entry) ?? [];
  expect(names.split(', ').toSorted()).toEqual(Object.keys(sdk).toSorted());
});
