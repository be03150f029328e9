// Prints what TypeScript says of typed.ts under every module resolution; nothing when all is well.
const { copyFileSync } = require('node:fs');
const ts = require('typescript');

const { ModuleKind: to, ModuleResolutionKind: by } = ts;
const common = {
  strict: true,
  noEmit: true,
  types: ['node'],
  esModuleInterop: true,
  target: ts.ScriptTarget.ES2022,
};
copyFileSync('typed.ts', 'typed.mts');
copyFileSync('typed.ts', 'typed.cts');
const cases = {
  node: ['typed.ts', { module: to.CommonJS, moduleResolution: by.Node10 }],
  'node16, import': ['typed.mts', { module: to.Node16, moduleResolution: by.Node16 }],
  'node16, require': ['typed.cts', { module: to.Node16, moduleResolution: by.Node16 }],
  'nodenext, import': ['typed.mts', { module: to.NodeNext, moduleResolution: by.NodeNext }],
  'nodenext, require': ['typed.cts', { module: to.NodeNext, moduleResolution: by.NodeNext }],
  bundler: ['typed.ts', { module: to.ESNext, moduleResolution: by.Bundler }],
};
for (const [name, [file, options]] of Object.entries(cases)) {
  const program = ts.createProgram([file], { ...common, ...options });
  for (const { file: source, messageText } of ts.getPreEmitDiagnostics(program))
    if (source === undefined || !/node_modules\/(?!@roundhouse)/.test(source.fileName))
      console.log(
        `${ts.version}, ${name}: ${source?.fileName ?? ''} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
      );
}
