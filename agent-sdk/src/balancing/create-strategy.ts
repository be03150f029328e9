import { ConsistentHashStrategy } from './consistent-hash.ts';
import { LeastRequestsStrategy } from './least-requests.ts';
import { PowerOfTwoStrategy, type PowerOfTwoOptions } from './power-of-two.ts';
import { RandomStrategy } from './random.ts';
import { RoundRobinStrategy } from './round-robin.ts';
import type { Strategy } from './strategy.ts';
import type { BalanceStrategy } from './upstream-policy.ts';

/** The strategy of that name, without members. */
export function createStrategy(name: BalanceStrategy, options: PowerOfTwoOptions): Strategy {
  switch (name) {
    case 'round-robin':
      return new RoundRobinStrategy(options.random);
    case 'least-requests':
      return new LeastRequestsStrategy();
    case 'power-of-two':
      return new PowerOfTwoStrategy(options);
    case 'random':
      return new RandomStrategy(options.random);
    case 'consistent-hash':
      return new ConsistentHashStrategy(options.random);
  }
}
