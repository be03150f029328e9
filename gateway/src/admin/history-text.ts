import type { ConfigAttempt, ConfigHistory } from '../config/config-control.ts';
import { printable } from '../telemetry/printable.ts';
import type { TableEntry } from '../telemetry/table-journal.ts';

/** The history as text, newest first. */
export function* historyText(
  { running = '', pinned, drift, applied, refused }: ConfigHistory,
  tableChanges: readonly TableEntry[],
): Generator<string> {
  yield `Running: version ${running}${pinned === undefined ? '' : ', pinned by a rollback until it is released'}\n`;
  if (pinned !== undefined) yield indented(drift, 'What the source has differs:', 'The source has the same.');
  yield '\nApplied\n';
  for (const attempt of applied) yield attemptLines(attempt);
  if (refused.length > 0) yield '\nRefused\n';
  for (const attempt of refused) yield attemptLines(attempt);
  if (tableChanges.length > 0) yield '\nChanges of the route table\n';
  for (const { at, source, lines } of tableChanges) yield indented(lines, `  ${at}  ${source}`, '');
}

function attemptLines({
  at,
  version = '',
  outcome,
  trigger,
  diff,
  needRestart,
  problems,
}: ConfigAttempt): string {
  const head = `  ${version.padEnd(12)}  ${at}  ${outcome} (${trigger})`;
  return indented(
    [
      ...diff,
      ...needRestart.map((path) => `! ${path} needs a restart`),
      ...problems.map(({ place, message }) => `${place}: ${message}`),
    ],
    head,
    head,
  );
}

function indented(lines: readonly string[], head: string, empty: string): string {
  if (lines.length === 0) return empty === '' ? '' : `${empty}\n`;
  return `${[head, ...lines.map((line) => `      ${printable(line)}`)].join('\n')}\n`;
}
