/**
 * Lets Node run the TypeScript of this folder as it is: `node --import ./test/bench/typescript.mjs FILE.ts`.
 * Node 22.18 and newer do that by themselves; for Node 20 a loader hook strips the types.
 */
import { register } from 'node:module';

if (process.features.typescript === undefined || process.features.typescript === false)
  register('./typescript-hooks.mjs', import.meta.url);
