import type { Exchanges } from '../../exchange/seam.ts';
import type { ListenerLimits } from '../engine.ts';
import type { TimeoutWheel } from '../timeout-wheel.ts';
import type { ReadBuffers } from './inlet.ts';
import type { UpstreamPools } from './upstream-pools.ts';

/** What the client connections of one engine share. */
export interface EngineContext {
  readonly exchanges: Exchanges;
  readonly limits: ListenerLimits;
  readonly wheel: TimeoutWheel;
  readonly buffers: ReadBuffers;
  readonly pools: UpstreamPools;
  /** The present time as an HTTP date (RFC 9110 §5.6.7). */
  readonly httpDate: () => string;
  /** Hears of exceptions of our own. */
  readonly onFault: (fault: unknown) => void;
  /** `discouraged`: every answer closes its connection. */
  state: 'open' | 'discouraged';
  /** Exchanges between their head and their end. */
  exchangesRunning: number;
}
