/**
 * Laws over the whole tree, which no rule of one file can hold: no import cycles (types included), which room may import
 * which, and one meaning per type name. Prints the violations, each with its file and line; exits 1 if there is one.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import process from 'node:process';
import ts from 'typescript';

import { layers, sharedTypeNames } from './layers.js';

const root = normalize(join(import.meta.dirname, '..'));
/** The entries of our own packages, and the files that they are made of. */
const { paths: entries } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')).compilerOptions;
/** Sources with their imports (files, with the line) and the types that they declare. */
const files = new Map(
  ts.sys
    .readDirectory(
      root,
      ['.ts'],
      ['**/node_modules', '**/dist'],
      ['agent-sdk/src', 'gateway/src', 'services/*/src'],
    )
    .map((path) => relative(root, path))
    .filter((file) => !file.endsWith('.test.ts') && !file.includes('/testing/'))
    .toSorted()
    .map((file) => [file, read(file)]),
);

function read(file) {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest);
  const line = (node) => source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
  const imports = [];
  const types = [];
  for (const node of source.statements) {
    const specifier = node.moduleSpecifier?.text ?? node.argument?.literal?.text;
    const target = specifier === undefined ? undefined : resolve(file, specifier);
    if (target !== undefined) imports.push({ target, line: line(node) });
    if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) || ts.isClassDeclaration(node))
      types.push({ name: node.name?.text ?? '', line: line(node) });
  }
  return { imports, types };
}

/** The file that an import means; undefined for other packages. */
function resolve(from, specifier) {
  if (specifier.startsWith('.')) return relative(root, join(root, dirname(from), specifier));
  const [file] = entries[specifier] ?? [];
  return file === undefined ? undefined : normalize(file);
}

/** Groups of files that import each other (Tarjan's strongly connected components). */
function cycles() {
  const found = [];
  const indexOf = new Map();
  const lowest = new Map();
  const stack = [];
  const visit = (file) => {
    indexOf.set(file, indexOf.size);
    lowest.set(file, indexOf.get(file));
    stack.push(file);
    for (const { target } of files.get(file).imports) {
      if (!files.has(target)) continue;
      if (!indexOf.has(target)) visit(target);
      if (stack.includes(target)) lowest.set(file, Math.min(lowest.get(file), lowest.get(target)));
    }
    if (lowest.get(file) !== indexOf.get(file)) return;
    const group = stack.splice(stack.indexOf(file));
    if (group.length > 1) found.push(`${file}: import cycle of ${group.length} files: ${group.join(', ')}`);
  };
  for (const file of files.keys()) if (!indexOf.has(file)) visit(file);
  return found;
}

const isIn = (file, room) => file === room || file.startsWith(`${room}/`);

/** Imports that the table of layers does not allow. */
function crossings() {
  return [...files].flatMap(([file, { imports }]) =>
    imports.flatMap(({ target, line }) =>
      layers
        .filter(({ room, not }) => isIn(file, room) && not.some((other) => isIn(target, other)))
        .map(({ room }) => `${file}:${line}: ${room} must not import ${target}`),
    ),
  );
}

/** Type names that are declared more than once. */
function repeatedNames() {
  const places = new Map();
  for (const [file, { types }] of files)
    for (const { name, line } of types) places.set(name, [...(places.get(name) ?? []), `${file}:${line}`]);
  return [...places]
    .filter(([name, where]) => where.length > 1 && !Object.hasOwn(sharedTypeNames, name))
    .flatMap(([name, where]) =>
      where.map((place) => `${place}: type ${name} is declared ${where.length} times`),
    );
}

const violations = [...cycles(), ...crossings(), ...repeatedNames()];
for (const violation of violations) console.error(violation);
if (violations.length > 0) process.exitCode = 1;
