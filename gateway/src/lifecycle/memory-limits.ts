import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';

import type { MemoryLimits } from '../sockets/memory-budget.ts';

/** The part of the machine's or the container's memory that peers may fill: the rest is for the process itself and its neighbours. */
const memoryShare = 0.25;

/**
 * What peers may make the gateway hold: `configuredBytes`, or for 0 as much as V8's heap limit, and at most a quarter of the memory that
 * the container (cgroup v1 or v2) or the machine has.
 */
export function memoryLimits(configuredBytes: number): MemoryLimits {
  const heapBytes = getHeapStatistics().heap_size_limit;
  const machineBytes = totalmem();
  // Unlimited is 0, undefined or a number beyond all machines, depending on the version of Node and of the cgroups.
  const containerBytes = process.constrainedMemory() || machineBytes;
  const derived = Math.min(heapBytes, Math.min(containerBytes, machineBytes) * memoryShare);
  return { bytes: configuredBytes === 0 ? derived : configuredBytes, heapBytes };
}
