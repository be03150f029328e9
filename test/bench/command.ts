import { readArguments, type BenchArguments } from './arguments.ts';
import { boundLifetime } from './lifetime.ts';

/** Runs a benchmark with the flags of its command line, for `limitMs` at the most. Exits with 2 and the reason when a flag is wrong. */
export async function runCommand(
  limitMs: number,
  bench: (args: BenchArguments) => Promise<void>,
  known: Parameters<typeof readArguments>[1] = { scenarios: [], rows: [] },
): Promise<void> {
  boundLifetime(limitMs);
  const args = readArguments(process.argv.slice(2), known);
  if ('problem' in args) {
    console.error(args.problem);
    process.exit(2);
  }
  await bench(args);
}
