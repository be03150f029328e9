import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import ts from 'typescript';

import { repositoryRoot } from '../../kit/processes.ts';

/** Inside the repository, so that the programs find their packages; ignored by git. */
const folder = join(repositoryRoot, '.tmp', 'chaos');
const compiled = new Map<string, string>();

/**
 * The file to start a program of this folder with. Its types are stripped once and not at every start: instances are started by the
 * hundred, and a compiler in each would take the processor away from what is tested. A program imports packages, no file of ours.
 */
export function chaosProgram(name: 'load-client' | 'origin' | 'balancer'): string {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  const source = readFileSync(join(repositoryRoot, 'test', 'chaos', 'rig', `${name}.ts`), 'utf8');
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2023,
      verbatimModuleSyntax: true,
    },
    fileName: `${name}.ts`,
  });
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}-${process.pid}.mjs`);
  writeFileSync(file, outputText);
  compiled.set(name, file);
  return file;
}
