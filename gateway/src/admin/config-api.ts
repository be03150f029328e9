import type { FastifyInstance, FastifyReply } from 'fastify';

import { attemptText } from '../config/attempt-text.ts';
import type { ConfigAttempt, ConfigControl } from '../config/config-control.ts';
import type { TableJournal } from '../telemetry/table-journal.ts';
import { jsonTexts, type Answers } from './answers.ts';
import { historyText } from './history-text.ts';
import { answer, problem } from './replies.ts';

/** What the pages under `/api/v1/config` show and change. */
export interface ConfigPages {
  readonly control: ConfigControl;
  readonly table: Pick<TableJournal, 'changes'>;
}

const statusOf: Readonly<Record<ConfigAttempt['outcome'], number>> = {
  applied: 200,
  unchanged: 200,
  invalid: 422,
  failed: 500,
  pinned: 409,
};

/** Adds them. The guards of the listener hold for them like for all others. */
export function addConfigPages(
  app: FastifyInstance,
  { control, table }: ConfigPages,
  answers: Answers,
): void {
  const reply = (to: FastifyReply, attempt: ConfigAttempt): FastifyReply => {
    answers.forget();
    const status = statusOf[attempt.outcome];
    return status === 200 ? to.send(attempt) : problem(to, status, attemptText(attempt), attempt);
  };
  app.get('/api/v1/config/history', (request, to) =>
    answer(request, to, answers, {
      json: () => {
        const { applied, refused, ...now } = control.history();
        return jsonTexts(now, { applied, refused, tableChanges: table.changes });
      },
      text: () => historyText(control.history(), table.changes),
    }),
  );
  app.post('/api/v1/config/reload', async (_request, to) => reply(to, await control.reload('admin')));
  app.post('/api/v1/config/release', async (_request, to) => reply(to, await control.release()));
  app.post<{ Querystring: { version?: unknown } }>('/api/v1/config/rollback', async (request, to) => {
    const { version } = request.query;
    const attempt = typeof version === 'string' ? await control.rollback(version) : undefined;
    if (attempt === undefined)
      return problem(to, 404, 'version names no configuration of /api/v1/config/history.');
    return reply(to, attempt);
  });
}
