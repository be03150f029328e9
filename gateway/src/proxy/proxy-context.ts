import type { Exchanges } from '../exchange/seam.ts';
import type { ListenerLimits } from '../http/limits.ts';
import { exchangeBytes, type MemoryBudget } from '../sockets/memory-budget.ts';
import type { TimeoutWheel } from '../sockets/timeout-wheel.ts';
import type { AcceptedRequest, InstanceConnector } from './ports.ts';
import type { KeptBodies } from './kept-bodies.ts';

/** What the exchanges of one listener share. */
export interface ProxyContext {
  readonly exchanges: Exchanges;
  readonly instances: InstanceConnector;
  readonly wheel: TimeoutWheel;
  /** The account of all that is held for peers. */
  readonly memory: MemoryBudget;
  /** Request bodies up to this size are kept until the response head has come. */
  readonly replayBytes: number;
  readonly keptBodies: KeptBodies;
  /** When a WebSocket is to be closed, in ms from now, because the listener stops; undefined as long as it doesn't. */
  readonly closeAfterMs: () => number | undefined;
  /** The present time as an HTTP date (RFC 9110 §5.6.7). */
  readonly httpDate: () => string;
  /** Hears of mistakes of the gateway's own. */
  readonly onFault: (fault: unknown) => void;
  /** The port that the listener is bound to; 0 until then. */
  port: number;
  /** Replaced whole when the configuration changes. */
  limits: ListenerLimits;
  /** Unless `open`, every answer closes its connection. `stopping`: idle connections are closed soon. */
  state: 'open' | 'lame_duck' | 'stopping';
  /** Exchanges between their head and their end. */
  exchangesRunning: number;
}

/** Counts an exchange, with the strings of its head. */
export function countExchange(
  context: ProxyContext,
  what: 'begin' | 'end',
  { headBytes }: AcceptedRequest,
): void {
  const sign = what === 'begin' ? 1 : -1;
  context.exchangesRunning += sign;
  context.memory.chargeHeap(sign * (exchangeBytes + headBytes));
}

/** Whether client connections may serve another request. */
export function keepsConnections({ state, memory }: ProxyContext): boolean {
  return state === 'open' && memory.admits('keep_alive');
}
