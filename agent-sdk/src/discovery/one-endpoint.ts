import { expectedIdentity } from './identity.ts';
import type { Instance } from './instance.ts';

/** A record that says again what another one says. */
export interface Double {
  readonly instance: Instance;
  /** The record that stands for both. */
  readonly of: Instance;
}

/**
 * Records with one address, port and identity are one endpoint: a process that was registered twice, or that moved to another agent and left
 * its record behind. The newest of them stands for all; a critical one only when all are, because its agent may just be gone. It gets the
 * tags of all, so that no route loses its instance. Both lists keep their order; costs one look at each record while there are no doubles.
 */
export function oncePerEndpoint(instances: readonly Instance[]): {
  readonly kept: readonly Instance[];
  readonly doubles: readonly Double[];
} {
  if (new Set(instances.map(placeOf)).size === instances.length) return { kept: instances, doubles: [] };
  const byEndpoint = new Map<string, [Instance, ...Instance[]]>();
  for (const instance of instances) {
    const key = `${placeOf(instance)} ${expectedIdentity(instance) ?? ''}`;
    const others = byEndpoint.get(key);
    if (others === undefined) byEndpoint.set(key, [instance]);
    else others.push(instance);
  }
  const merged = new Map<Instance, Instance>();
  const doubles: Double[] = [];
  for (const records of byEndpoint.values()) {
    const [first, ...others] = records;
    const of = others.reduce((best, other) => (isBetter(other, best) ? other : best), first);
    const tags = [...new Set([of, ...records].flatMap((record) => record.tags))];
    merged.set(of, tags.length === of.tags.length ? of : { ...of, tags });
    for (const instance of records) if (instance !== of) doubles.push({ instance, of });
  }
  return { kept: instances.flatMap((instance) => merged.get(instance) ?? []), doubles };
}

function placeOf({ address, port }: Instance): string {
  return `${address} ${String(port)}`;
}

function isBetter(a: Instance, b: Instance): boolean {
  const [aLives, bLives] = [a.status !== 'critical', b.status !== 'critical'];
  return aLives === bLives ? a.createIndex > b.createIndex : aLives;
}
