import { AnswerTimes } from './answer-times.ts';
import type { Silence } from './endpoint-silence.ts';
import type { EndpointState } from './endpoint-state.ts';
import type { SilenceNews } from './endpoint.ts';

const noNews: readonly SilenceNews[] = [];

/** Watches the endpoints of an upstream that owe answers. Pure: it is told when to look, and what came of the questions that it wants asked. */
export class SilenceWatch {
  readonly #times = new AnswerTimes();
  /** Endpoints that owed answers at the last look or have since, and those that are not silent no more. */
  #watched: EndpointState[] = [];
  readonly #changed: (endpoint: EndpointState, before: Silence) => void;

  /** `changed` is called whenever an endpoint's silence has changed. */
  constructor(changed: (endpoint: EndpointState, before: Silence) => void) {
    this.#changed = changed;
  }

  /** An attempt has begun. */
  began(endpoint: EndpointState): void {
    const { quiet } = endpoint;
    quiet.waiting += 1;
    if (quiet.isWatched) return;
    quiet.isWatched = true;
    quiet.begin();
    this.#watched.push(endpoint);
  }

  /** The response head of an attempt has come. */
  headCame({ quiet }: EndpointState, latencyMs: number | undefined): void {
    quiet.waiting -= 1;
    quiet.heard = true;
    if (latencyMs !== undefined) this.#times.add(latencyMs);
  }

  /** Looks at what is watched. */
  look(): readonly SilenceNews[] {
    let news: SilenceNews[] | undefined;
    let kept = 0;
    // A change may let a queued request begin, which adds to the list.
    for (const endpoint of this.#watched) {
      const { quiet } = endpoint;
      if (quiet.heard) this.#speaks(endpoint);
      if (quiet.waiting === 0 && (quiet.state === 'none' || !endpoint.listed)) {
        quiet.isWatched = false;
        continue;
      }
      this.#watched[kept++] = endpoint;
      if (quiet.isDoubtful(this.#times) && quiet.state === 'none') this.#set(endpoint, 'asked');
      if (quiet.state === 'none') continue;
      news ??= [];
      if (quiet.isQuestionDue()) news.push({ endpoint, does: 'ask' });
      if (quiet.state === 'silent' && quiet.waiting > 0) news.push({ endpoint, does: 'leave' });
    }
    this.#watched.length = kept;
    return news ?? noNews;
  }

  /** Looks no more at what is watched now: nothing of it is silent. */
  forget(): void {
    for (const endpoint of this.#watched) {
      endpoint.quiet.isWatched = false;
      this.#set(endpoint, 'none');
    }
    this.#watched = [];
  }

  /** What came of a question. */
  answered(endpoint: EndpointState, lives: boolean): void {
    const { quiet } = endpoint;
    // It has spoken meanwhile.
    if (quiet.state === 'none') return;
    if (lives) quiet.excuse();
    this.#set(endpoint, lives ? 'none' : 'silent');
  }

  #speaks(endpoint: EndpointState): void {
    endpoint.quiet.begin();
    this.#set(endpoint, 'none');
  }

  #set(endpoint: EndpointState, state: Silence): void {
    const before = endpoint.quiet.state;
    if (state === before) return;
    endpoint.quiet.state = state;
    this.#changed(endpoint, before);
  }
}
