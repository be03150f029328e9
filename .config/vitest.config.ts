import { defineConfig } from 'vitest/config';

/**
 * The SDK and the gateway are tested from source; only e2e tests start what `npm run build` made. Without `import`:
 * vitest hands these to Node as well, where it would make `require('ws')` load the ES module of that package.
 */
const conditions = ['source', 'node'];

function project(name: string, include: string[], testTimeout: number, fileParallelism: boolean) {
  return {
    resolve: { conditions },
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
      project('compose', ['test/compose/**/*.test.ts'], 900_000, false),
    ],
  },
});
