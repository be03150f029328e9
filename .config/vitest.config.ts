import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { defineConfig } from 'vitest/config';

const root = new URL('../', import.meta.url);
const { compilerOptions } = JSON.parse(readFileSync(new URL('tsconfig.json', root), 'utf8')) as {
  compilerOptions: { paths: Record<string, readonly [string]> };
};
/** The SDK and the gateway are tested from source, as they are typed; only e2e tests start what `npm run build` made. */
const alias = Object.entries(compilerOptions.paths).map(([name, [file]]) => ({
  find: new RegExp(`^${name}$`),
  replacement: fileURLToPath(new URL(file, root)),
}));
/** Without `import`: vitest hands these to Node as well, where it would make `require('ws')` load the ES module of that package. */
const conditions = ['node'];

function project(name: string, include: string[], testTimeout: number, fileParallelism: boolean) {
  return {
    resolve: { alias, conditions },
    ssr: { resolve: { conditions } },
    test: { name, include, testTimeout, hookTimeout: testTimeout, fileParallelism, pool: 'forks' as const },
  };
}

export default defineConfig({
  test: {
    projects: [
      project(
        'unit',
        [
          '{agent-sdk,gateway,services/*}/src/**/*.test.ts',
          'test/*.test.ts',
          'test/{kit,bench}/**/*.test.ts',
        ],
        10_000,
        true,
      ),
      project('contract', ['test/contract/**/*.test.ts'], 60_000, true),
      project('integration', ['test/{integration,conformance}/**/*.test.ts'], 60_000, true),
      project('e2e', ['test/e2e/**/*.test.ts'], 180_000, false),
      project('chaos', ['test/chaos/**/*.test.ts'], 900_000, false),
      project('packages', ['test/packages/**/*.test.ts'], 300_000, false),
      project('compose', ['test/compose/**/*.test.ts'], 900_000, false),
    ],
  },
});
