export type {
  EmbeddedConsul,
  EmbeddedConsulLimits,
  EmbeddedConsulOptions,
  EmbeddedConsulStats,
  ListenAddress,
} from './embedded-consul.ts';
export { createEmbeddedConsul } from './embedded-consul.ts';
export type { Fault, FaultRule, Faults } from './faults.ts';
