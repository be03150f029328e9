import { parseArgs } from 'node:util';

import type { OutputOptions } from './output.ts';
import type { Pace } from './scenario.ts';

/** What a command line asks for. */
export interface BenchArguments extends OutputOptions {
  readonly pace: Pace;
  /** Undefined: all. */
  readonly only: readonly string[] | undefined;
  readonly rows: readonly string[] | undefined;
}

/** Reads the flags that all benchmarks share; a mistake comes back as text for a person. */
export function readArguments(
  args: readonly string[],
  known: { readonly scenarios: readonly string[]; readonly rows: readonly string[] },
): BenchArguments | { readonly problem: string } {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean', default: false },
        markdown: { type: 'boolean', default: false },
        docs: { type: 'boolean', default: false },
        json: { type: 'string' },
        only: { type: 'string' },
        rows: { type: 'string' },
      },
    }));
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
  const only = values.only?.split(',');
  const rows = values.rows?.split(',');
  const wrong = unknown('--only', only, known.scenarios) ?? unknown('--rows', rows, known.rows);
  if (wrong !== undefined) return { problem: wrong };
  return {
    pace: values.quick ? 'quick' : 'full',
    only,
    rows,
    format: values.markdown ? 'markdown' : 'text',
    docs: values.docs ? 'update' : 'leave',
    jsonFile: values.json,
  };
}

function unknown(
  flag: string,
  names: readonly string[] | undefined,
  known: readonly string[],
): string | undefined {
  const wrong = names?.find((name) => !known.includes(name));
  if (wrong === undefined) return undefined;
  return `${flag} ${wrong}: there is ${known.length === 0 ? 'no such flag here' : known.join(', ')}`;
}
