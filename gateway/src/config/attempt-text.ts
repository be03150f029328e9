import type { ConfigAttempt } from './config-control.ts';
import { formatProblems } from './problems.ts';

/** What came of an attempt, in words. */
export function attemptText({
  outcome,
  version = '',
  changed,
  needRestart,
  problems,
}: ConfigAttempt): string {
  const restart = needRestart.length === 0 ? [] : [`These fields need a restart: ${needRestart.join(', ')}.`];
  switch (outcome) {
    case 'invalid':
      return `Nothing was changed. ${formatProblems(problems)}`;
    case 'failed':
      return `Nothing was changed. The gateway could not take the configuration over: ${problems.map(({ message }) => message).join('; ')}`;
    case 'pinned':
      return `Nothing was changed. A rollback holds, until it is released (roundhouse config release); version ${version} waits.`;
    case 'unchanged':
      return ['The configuration is the same.', ...restart].join(' ');
    case 'applied': {
      const what =
        changed.length === 0
          ? 'Nothing changes now.'
          : `The configuration changed: ${changed.join(', ')} (version ${version}).`;
      return [what, ...restart].join(' ');
    }
  }
}
