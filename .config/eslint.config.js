import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** The folders whose files decide and never act: no sockets, no clock, no randomness, no environment (design law 1). */
const pureFiles = [
  'agent-sdk/src/balancing/**/*.ts',
  'agent-sdk/src/discovery/{decode,snapshot,snapshot-change,known-list,outdated,consul-index,route-tags,backoff,rate-limit}.ts',
  'agent-sdk/src/registration/registration-state.ts',
  'agent-sdk/src/discovery/holds/{evaluate-update,holdable,held-instances}.ts',
  'gateway/src/http/**/*.ts',
  'gateway/src/routing/**/*.ts',
  'gateway/src/registry/addresses/{address-policy,judged-addresses}.ts',
  'gateway/src/registry/services/{claims,hidden-instances,service-state}.ts',
  'gateway/src/registry/{configured-services,persistence/saved-services,persistence/saved-table-format,sources/watch-state}.ts',
  'gateway/src/config/meta-settings.ts',
  'gateway/src/exchange/**/*.ts',
  'gateway/src/health/{check-answer,check-state,routing-status}.ts',
];

/** One rim per dependency (design law 2): where each third-party package may be imported. */
const rims = {
  consul: ['agent-sdk/src/discovery/consul-client.ts'],
  portfinder: ['agent-sdk/src/registration/bind.ts'],
  'http-proxy': ['gateway/src/node-http/**'],
  'prom-client': ['gateway/src/telemetry/metrics.ts'],
  pino: ['gateway/src/telemetry/log.ts'],
  'pino-pretty': ['gateway/src/telemetry/log.ts'],
  zod: ['gateway/src/config/**'],
  yaml: ['gateway/src/config/**'],
  commander: ['gateway/src/cli.ts'],
  'ipaddr.js': [
    'gateway/src/config/**',
    'gateway/src/exchange/trusted-proxies.ts',
    'gateway/src/registry/addresses/address-policy.ts',
  ],
  picocolors: ['gateway/src/commands/**', 'gateway/src/telemetry/access-log.ts'],
};

const limitOf = (max) => ['error', { max, skipBlankLines: true, skipComments: true }];

/** A pair of words where a boolean would do (naming: a yes or no is a boolean). */
const yesOrNo = {
  selector:
    'TSUnionType[types.length=2]:has(Literal[value=/^(yes|some)$/]):has(Literal[value=/^(no|none)$/])',
  message: 'A yes or no is a boolean.',
};

const restrictedPaths = (allowed) =>
  Object.keys(rims)
    .filter((name) => !allowed.includes(name))
    .map((name) => ({
      name,
      message: `Only ${rims[name].join(', ')} may import ${name} (one rim per dependency).`,
    }));

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/node_modules/**',
      'coverage/**',
      '.tmp/**',
      '**/*.d.ts',
      'test/bench/peers/**',
      'test/packages/team/**',
    ],
  },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: process.cwd() } },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      'no-duplicate-imports': ['error', { allowSeparateTypeImports: false }],
      curly: ['error', 'multi-or-nest', 'consistent'],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-restricted-imports': ['error', { paths: restrictedPaths([]) }],
      eqeqeq: 'error',
    },
  },
  ...Object.entries(rims).map(([name, files]) => ({
    files: files.map((f) => (f.endsWith('**') ? `${f}/*.ts` : f)),
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: restrictedPaths(
            Object.keys(rims).filter((other) => rims[other].some((f) => files.includes(f)) || other === name),
          ),
        },
      ],
    },
  })),
  {
    // A file of one idea, a function of one screen.
    files: ['{agent-sdk,gateway,services/*}/src/**/*.ts'],
    ignores: ['**/*.test.ts', '**/testing/**'],
    rules: { 'max-lines': limitOf(300), 'max-lines-per-function': limitOf(80) },
  },
  {
    files: ['{agent-sdk,gateway,services/*}/src/**/*.ts'],
    ignores: ['**/*.test.ts', '**/testing/**'],
    rules: { 'no-restricted-syntax': ['error', yesOrNo] },
  },
  {
    files: pureFiles,
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...[
          'process',
          'setTimeout',
          'setInterval',
          'setImmediate',
          'Date',
          'performance',
          'fetch',
          'console',
        ].map((name) => ({
          name,
          message: 'This file decides; it does not act. Pass the value in (design law 1).',
        })),
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'Pass randomness in (design law 1).' },
      ],
      'no-restricted-syntax': [
        'error',
        yesOrNo,
        {
          selector: 'ImportDeclaration[importKind!="type"][source.value=/^node:/]',
          message: 'A pure file imports no node: module (design law 1).',
        },
      ],
    },
  },
  {
    files: ['**/*.test.ts', 'test/**/*.ts'],
    rules: {
      'no-restricted-imports': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    // Written for people who copy them: a NestJS module is a class without members.
    files: ['docs/examples/*.ts'],
    rules: {
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      'no-restricted-imports': 'off',
    },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        Response: 'readonly',
        setTimeout: 'readonly',
        require: 'readonly',
        module: 'readonly',
      },
    },
  },
);
