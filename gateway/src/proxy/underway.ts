import type { AttemptFailure } from '../exchange/seam.ts';
import { Attempt } from './attempt.ts';
import type { Stage } from './stage.ts';

/**
 * What an exchange has under way: its stage and, beside an attempt, perhaps a second one (hedging). What happens on the client's
 * connection is the business of the stage.
 */
export class Underway {
  stage: Stage | undefined;
  #second: Attempt | undefined;

  /** Adds an attempt. `no_room`: there are two already, or what is under way is none. */
  add(attempt: Attempt): 'added' | 'no_room' {
    if (this.stage === undefined) this.stage = attempt;
    else if (this.stage instanceof Attempt && this.#second === undefined) this.#second = attempt;
    else return 'no_room';
    return 'added';
  }

  /** Whether this attempt is the only one. */
  alone(attempt: Attempt): 'no' | 'yes' {
    return attempt === this.stage && this.#second === undefined ? 'yes' : 'no';
  }

  /** An attempt is over; the other one, if there is one, is the stage now. */
  remove(attempt: Attempt): void {
    if (attempt === this.#second) {
      this.#second = undefined;
    } else if (attempt === this.stage) {
      this.stage = this.#second;
      this.#second = undefined;
    }
  }

  /** The exchange has had all its time. */
  expire(): void {
    this.#second?.expired();
    this.stage?.expired();
  }

  /** Lets go of everything. What the attempt that is the stage had come to, if it is one. */
  abandon(): AttemptFailure | undefined {
    this.#second?.abandon();
    this.#second = undefined;
    return this.stage?.abandon();
  }
}
