export {
  createEmbeddedConsul,
  type EmbeddedConsul,
  type EmbeddedConsulLimits,
  type EmbeddedConsulOptions,
  type EmbeddedConsulStats,
  type ListenAddress,
} from './embedded-consul.ts';
