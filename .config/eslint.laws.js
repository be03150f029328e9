import tseslint from 'typescript-eslint';

const limitOf = (max) => ['error', { max, skipBlankLines: true, skipComments: true }];

/** Size and form: a file of one idea, a function of one screen, a boolean for a yes or no. Without type information: fast. */
export const laws = {
  files: ['{agent-sdk,gateway,services/*}/src/**/*.ts'],
  ignores: ['**/*.test.ts', '**/testing/**'],
  rules: {
    'max-lines': limitOf(300),
    'max-lines-per-function': limitOf(80),
    'no-restricted-syntax': [
      'error',
      {
        selector:
          'TSUnionType[types.length=2]:has(Literal[value=/^(yes|some)$/]):has(Literal[value=/^(no|none)$/])',
        message: 'A yes or no is a boolean.',
      },
    ],
  },
};

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**'] },
  {
    ...laws,
    languageOptions: { parser: tseslint.parser },
    linterOptions: { reportUnusedDisableDirectives: 'off' },
  },
);
