import type { AnswerTimes } from './answer-times.ts';

/**
 * Whether an endpoint owes answers and says nothing. `none`: no. `asked`: the service's own latency does not explain it, so it is asked
 * whether it lives. `silent`: it has not answered that either; it gets nothing new until it speaks.
 */
export type Silence = 'none' | 'asked' | 'silent';

/** Silence is doubtful when the service's latency explains it with less than this probability. */
const doubtBelow = 0.01;
/** Looks for which an answered question excuses what was waiting then; twice as long each time, up to a maximum. */
const excuseLooks = 4;
const maxExcuseLooks = 128;
/** Looks between the beginnings of two questions. */
const askLooks = 4;
/** Looks that are remembered: 2^8 and the present one. */
const maxLooks = 257;

/** What is known of the silence of one endpoint. The first three fields are written on the way of a request, the rest at the looks. */
export class EndpointSilence {
  /** Attempts that wait for a response head. */
  waiting = 0;
  /** Whether something has come from the endpoint since the last look. */
  heard = false;
  isWatched = false;
  state: Silence = 'none';
  /** How many attempts waited at each look since the last sign of life, the newest last. */
  #looks: number[] = [];
  #excused = 0;
  #excuseEnds = 0;
  #excuses = 0;
  #untilAsked = 0;

  /** Something has come: its silence begins anew. */
  begin(): void {
    this.heard = false;
    this.#looks = [];
    this.#excused = 0;
    this.#excuses = 0;
    this.#untilAsked = 0;
  }

  /** The endpoint has answered a question: it lives, and is slow with what waits. */
  excuse(): void {
    const excuses = this.#excuses;
    this.begin();
    this.#excused = this.waiting;
    this.#excuses = excuses + 1;
    this.#excuseEnds = Math.min(maxExcuseLooks, excuseLooks * 2 ** excuses);
  }

  /**
   * A look. What waited 1, 2, 4 … looks ago and waits still has had no answer for so long: true when that is too improbable.
   */
  isDoubtful(times: AnswerTimes): boolean {
    const looks = this.#looks;
    looks.push(this.waiting);
    if (looks.length > maxLooks) looks.shift();
    if (this.#excused > 0 && (this.#excuseEnds -= 1) <= 0) this.#excused = 0;
    for (let age = 0; 2 ** age < looks.length; age += 1) {
      const waited = Math.min(this.waiting, looks.at(-1 - 2 ** age) ?? 0) - this.#excused;
      if (waited > 0 && times.slowerThan(age) ** waited < doubtBelow) return true;
    }
    return false;
  }

  /** At a look: whether it is time for a question, the first or the next one. */
  isQuestionDue(): boolean {
    this.#untilAsked -= 1;
    if (this.#untilAsked > 0) return false;
    this.#untilAsked = askLooks;
    return true;
  }
}
