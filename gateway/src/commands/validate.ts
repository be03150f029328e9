import { describeConfig, formatConfig } from '../config/describe-config.ts';
import { configOrFail, type Flags } from './program.ts';

/** `roundhouse validate`: judges file, environment and flags, and starts nothing. */
export function validate(flags: Flags): void {
  const { config, warnings } = configOrFail(flags);
  for (const warning of warnings) console.warn(`⚠ ${warning}`);
  const fixed = config.services.filter((service) => service.instances !== undefined).length;
  console.log(`The configuration is valid: ${config.routes.length} routes, ${fixed} fixed services.`);
}

/** `roundhouse config`: the effective configuration, with where each value comes from. */
export function showConfig(flags: Flags): void {
  console.log(formatConfig(describeConfig(configOrFail(flags))));
}
