// For `import`: the values of the CommonJS build, so that a process which loads the SDK in both ways has one copy of it.
export { registerService, ServiceError, startService } from './cjs/index.js';
