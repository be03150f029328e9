import { createConsistentHash } from './consistent-hash.ts';
import { createLeastRequests } from './least-requests.ts';
import { createPowerOfTwo, type PowerOfTwoOptions } from './power-of-two.ts';
import { createRandom } from './random.ts';
import { createRoundRobin } from './round-robin.ts';
import type { Strategy } from './strategy.ts';
import type { BalanceStrategy } from './upstream-policy.ts';

/** The strategy of that name, without members. */
export function createStrategy(name: BalanceStrategy, options: PowerOfTwoOptions): Strategy {
  switch (name) {
    case 'round-robin':
      return createRoundRobin(options.random);
    case 'least-requests':
      return createLeastRequests();
    case 'power-of-two':
      return createPowerOfTwo(options);
    case 'random':
      return createRandom(options.random);
    case 'consistent-hash':
      return createConsistentHash(options.random);
  }
}
