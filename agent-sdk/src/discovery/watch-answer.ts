import type { IndexStep } from './consul-index.ts';
import type { Suspicion } from './holds/evaluate-update.ts';
import type { AnswerPace } from './rate-limit.ts';
import type { Turn } from './reading-plan.ts';
import type { ReadAnswer } from './registry-client.ts';

/** What a watch knows of an answer that it has taken in. */
export interface AnswerFacts {
  readonly changed: boolean;
  /** Whether it came after the whole wait. */
  readonly isIdle: boolean;
  /** Whether it is the first one after a failure. */
  readonly recovered: boolean;
  readonly turn: Turn;
  readonly step: IndexStep;
  readonly records: number;
  readonly elapsedMs: number;
}

/** How an answer came, for the watch's rate limit. The plan limits the reads that it lets wait for their turn. */
export function answerPace({ changed, isIdle, step, ...facts }: AnswerFacts): AnswerPace {
  if (changed) return { kind: 'changed', records: facts.records };
  const isPaced = facts.turn.kind === 'in_turn' && (step.kind === 'same' || step.kind === 'moved');
  if (isIdle || isPaced) return { kind: 'idle' };
  const isRecovery = facts.recovered && step.kind !== 'none';
  return isRecovery ? { kind: 'recovered' } : { kind: 'early', elapsedMs: facts.elapsedMs };
}

/** How far an answer can be believed when it lists less than before. */
export function suspect(
  answer: ReadAnswer,
  step: IndexStep,
  before: { readonly isConfirmed: boolean; readonly isFiltered: boolean },
): Suspicion {
  if (!before.isConfirmed) return 'after_failure';
  if (answer.knownLeader === false) return 'no_leader';
  // The same index with other content means that the token's view changed, not the registry.
  if (step.kind === 'backwards' || step.kind === 'same') return 'index';
  return answer.filteredByAcl && !before.isFiltered ? 'filtered' : 'none';
}
