/** Time between two looks for silent endpoints; the unit in which silence is counted. */
export const lookMs = 250;

/** Classes of waiting times: up to one look, up to 2, 4, 8 … looks, and longer than 64 s. */
const classes = 10;
/** The counts are halved at this sum, so that they follow a service that changes. */
const maxAnswers = 1_024;

/** How long the answers of a service take, to its response heads, in classes that double. O(1) to add; never forgotten while idle. */
export class AnswerTimes {
  readonly #counts = new Array<number>(classes).fill(0);
  #total = 0;

  add(latencyMs: number): void {
    const at = Math.min(classes - 1, 32 - Math.clz32(latencyMs / lookMs));
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#total += 1;
    if (this.#total < maxAnswers) return;
    this.#total /= 2;
    this.#counts.forEach((count, index) => {
      this.#counts[index] = count / 2;
    });
  }

  /**
   * The probability that an answer takes longer than 2^`age` looks. Of a service that has not answered yet it is 1. Few answers say little:
   * beside them stands one imagined slow answer, whose weight halves with each `age`.
   */
  slowerThan(age: number): number {
    const imagined = 2 ** -age;
    let slower = imagined;
    for (let at = age + 1; at < classes; at += 1) slower += this.#counts[at] ?? 0;
    return slower / (this.#total + imagined);
  }
}
