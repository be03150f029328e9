import type { AttemptFailure, WaitStep } from '../exchange/seam.ts';
import type { OneShotTimer } from '../sockets/one-shot-timer.ts';
import { Stage, type StageHost } from './stage.ts';

/** The stage before an attempt in which an endpoint has to become free, a pause to pass, or a step of the exchange to finish. */
export class QueueWait extends Stage {
  readonly #timer: OneShotTimer;
  /** `granted`: the exchange can go on, and hears of it in a moment. */
  #phase: 'waiting' | 'granted' | 'over' = 'waiting';

  constructor(host: StageHost, { timeoutMs, ticket }: WaitStep) {
    super(host);
    this.#timer = host.timer(timeoutMs, () => {
      this.#over('timeout');
    });
    if (ticket !== undefined) {
      ticket.ready = () => {
        this.#granted();
      };
    }
  }

  override abandon(): AttemptFailure {
    this.#phase = 'over';
    this.#timer.clear();
    return { code: 'client_closed', sent: 'nothing', connection: 'fresh' };
  }

  /** Called from within another exchange that releases its lease; a microtask lets that exchange finish first. */
  #granted(): void {
    if (this.#phase !== 'waiting') return;
    this.#phase = 'granted';
    this.#timer.clear();
    queueMicrotask(() => {
      try {
        this.#over('ready');
      } catch (fault) {
        this.host.faulted(fault);
      }
    });
  }

  #over(how: 'ready' | 'timeout'): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.host.waited(how);
  }
}
