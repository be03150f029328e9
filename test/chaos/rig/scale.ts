/**
 * How much the suite does. By default what a machine with two cores gets done in a few minutes; `CHAOS_SCALE=full` is what
 * `docs/reliability.md` promises, and a variable of its own sets one number.
 */
const full = process.env['CHAOS_SCALE'] === 'full';

function setting(name: string, bounded: number, whole: number): number {
  const given = process.env[`CHAOS_${name}`];
  if (given === undefined) return full ? whole : bounded;
  const value = Number(given);
  if (!Number.isFinite(value) || value <= 0)
    throw new Error(`CHAOS_${name}=${given} is not a positive number`);
  return value;
}

export const scale = {
  /** Requests per second of the loads. */
  perSecond: setting('RATE', 500, 1_000),
  /** Instances that are replaced one after the other. */
  restarts: setting('RESTARTS', 6, 100),
  /** How long Consul is away. */
  outageMs: setting('OUTAGE_MS', 10_000, 60_000),
  /** How often Consul goes and comes. */
  flaps: setting('FLAPS', 4, 120),
  portSwaps: setting('SWAPS', 300, 10_000),
} as const;

/** Requests of a phase in which nothing happens: enough that a loss would show. */
export const calm: number = scale.perSecond;
