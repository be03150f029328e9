import type { AttemptFailure, WaitStep } from '../exchange/seam.ts';
import type { Alarm } from './alarm.ts';
import type { ExchangeRun } from './exchange-run.ts';
import type { Stage } from './stage.ts';

/** The stage before an attempt in which an endpoint has to become free, or a pause to pass. Nothing is read of the client's body. */
export class Waiting implements Stage {
  readonly responseBytes = 0;
  readonly requestBytes = undefined;
  readonly #run: ExchangeRun;
  readonly #alarm: Alarm;
  /** `granted`: the exchange holds a lease, and hears of it in a moment. */
  #phase: 'waiting' | 'granted' | 'over' = 'waiting';

  constructor(run: ExchangeRun, { timeoutMs, ticket }: WaitStep) {
    this.#run = run;
    this.#alarm = run.alarm(timeoutMs, () => {
      this.#over('timeout');
    });
    if (ticket !== undefined) {
      ticket.ready = () => {
        this.#granted();
      };
    }
  }

  clientBytes(_bytes: Buffer, from: number): number {
    return from;
  }

  clientDrained(): void {
    // Only interim responses have been written; nothing waits for them to leave.
  }

  clientEnded(): void {
    this.#run.clientEnd.heard();
  }

  clientTimedOut(): void {
    this.#run.clientEnd.ask();
  }

  expired(): void {
    // The step has a limit of its own.
  }

  abandon(): AttemptFailure {
    this.#phase = 'over';
    this.#alarm.clear();
    return { code: 'client_closed', sent: 'nothing', connection: 'fresh' };
  }

  /** Called from the stack of another exchange, which is giving back its lease: what is its own to do comes first. */
  #granted(): void {
    if (this.#phase !== 'waiting') return;
    this.#phase = 'granted';
    this.#alarm.clear();
    queueMicrotask(() => {
      try {
        this.#over('ready');
      } catch (fault) {
        this.#run.faulted(fault);
      }
    });
  }

  #over(how: 'ready' | 'timeout'): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#run.waited(how);
  }
}
