import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { defaults } from './defaults.ts';
import { describeConfig } from './describe-config.ts';
import { loadConfig } from './load-config.ts';
import { configOptions } from './options.ts';

const docs = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');

/** Cells of the table whose first heading is `option`. */
function optionRows(): string[][] {
  const lines = docs.split('\n');
  const start = lines.findIndex((line) => /^\|\s*option\s*\|/.test(line));
  const rest = lines.slice(start + 2);
  const end = rest.findIndex((line) => !line.startsWith('|'));
  return rest.slice(0, end < 0 ? undefined : end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

it('documents every option with its variable, flag, default and meaning, and none that is not there', () => {
  const loaded = loadConfig({ env: {}, flags: {}, readFile: () => ({ kind: 'absent' }) });
  if (loaded.kind === 'invalid') throw new Error('the defaults are invalid');
  const values = new Map(describeConfig(loaded).map((row) => [row.path, row.value]));
  expect(optionRows()).toEqual(
    configOptions.map(({ path, env, flag, meaning }) => [
      `\`${path}\``,
      `\`${env}\``,
      `\`${flag}\``,
      values.get(path) === '(none)' ? '(none)' : `\`${values.get(path) ?? ''}\``,
      meaning,
    ]),
  );
});

it('lists every option that needs a restart, and no other', () => {
  const text = /only -->\s+([^#]*)\n\n/.exec(docs)?.[1] ?? '';
  const needRestart = configOptions.filter(({ reload }) => reload === 'restart');
  expect(text.replace(/\s+/g, ' ')).toBe(`${needRestart.map(({ path }) => `\`${path}\``).join(', ')}.`);
});

it('gives every option a meaning, and no two the same variable or flag', () => {
  expect(configOptions.filter((option) => option.meaning === '')).toEqual([]);
  expect(new Set(configOptions.map((option) => option.env)).size).toBe(configOptions.length);
  expect(new Set(configOptions.map((option) => option.flag)).size).toBe(configOptions.length);
});

it('holds an example that loads, and names the default routes', () => {
  const example = /```yaml\n([\s\S]*?)```/.exec(docs)?.[1] ?? '';
  const loaded = loadConfig({ env: {}, flags: {}, readFile: () => ({ kind: 'text', text: example }) });
  expect(loaded.kind === 'invalid' ? loaded.problems : []).toEqual([]);
  const text = docs.replace(/\s+/g, ' ');
  for (const route of defaults.routes) expect(text).toContain(`\`${route.prefix}\` → \`${route.service}\``);
});

it('gives examples of balancing that load without a problem', () => {
  const balancing = readFileSync(new URL('../../../docs/balancing.md', import.meta.url), 'utf8');
  const examples = [...balancing.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text);
  expect(examples.length).toBeGreaterThan(2);
  const env = { GATEWAY_STICKY_SECRET: 'the secret of the fleet' };
  for (const text of examples) {
    const loaded = loadConfig({ env, flags: {}, readFile: () => ({ kind: 'text', text }) });
    expect(loaded.kind === 'invalid' ? loaded.problems : loaded.warnings).toEqual([]);
  }
});
