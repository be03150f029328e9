import type { Exchanges } from '../exchange/seam.ts';
import type { ListenerLimits } from '../listeners/engine.ts';
import type { TimeoutWheel } from './timeout-wheel.ts';
import type { ReadBuffers } from './read-buffer.ts';
import type { UpstreamPools } from '../upstreams/upstream-pools.ts';

/** What the client connections of one engine share. */
export interface EngineContext {
  readonly exchanges: Exchanges;
  readonly limits: ListenerLimits;
  readonly wheel: TimeoutWheel;
  readonly buffers: ReadBuffers;
  readonly pools: UpstreamPools;
  /** Request bodies up to this size are kept until the response head has come. */
  readonly replayBytes: number;
  /** When a WebSocket is to be closed, in ms from now, because the engine stops; undefined as long as it doesn't. */
  readonly leaveAfterMs: () => number | undefined;
  /** The present time as an HTTP date (RFC 9110 §5.6.7). */
  readonly httpDate: () => string;
  /** Hears of exceptions of our own. */
  readonly onFault: (fault: unknown) => void;
  /** Unless `open`, every answer closes its connection. `stopping`: idle ones are closed soon. */
  state: 'open' | 'discouraged' | 'stopping';
  /** Exchanges between their head and their end. */
  exchangesRunning: number;
}
