import type { AnswerStep } from '../exchange/seam.ts';
import type { ExchangeRun } from './exchange-run.ts';
import { isFieldText } from '../http1/grammar.ts';
import { answerText } from '../http1/message-text.ts';
import type { Upload } from './upload.ts';

/** A rest of a body up to this size is worth waiting for, to keep the connection. */
const shortRestBytes = 16_384;

/** What an answer of the gateway's own has come to. */
export interface OwnAnswer {
  /** Body bytes of it. */
  readonly bytes: number;
  /** `keep` once the rest of the body has been read over, where there is one. */
  readonly connection: 'keep' | 'close';
  readonly rest: Upload | undefined;
}

/** Writes an answer of the gateway's own. One whose fields would break out of their lines is a mistake of ours, and never written. */
export function writeOwnAnswer(run: ExchangeRun, given: AnswerStep): OwnAnswer {
  const step = writable(run, given);
  const { context, client, request } = run;
  const upload = run.uploading ? run.upload : undefined;
  // A client that waits for a 100 may never send its body.
  const short = (upload?.leftBytes ?? Infinity) <= shortRestBytes && run.expectation === 'none';
  const readable = upload === undefined || short ? run.persistence : 'close';
  const connection = step.connection === 'close' ? 'close' : readable;
  const date = context.httpDate();
  client.socket.write(answerText(step, request.method, { date, connection }), 'latin1');
  return {
    bytes: request.method === 'HEAD' ? 0 : Buffer.byteLength(step.body),
    connection,
    rest: connection === 'keep' ? upload : undefined,
  };
}

function writable(run: ExchangeRun, step: AnswerStep): AnswerStep {
  if (step.fields.every(isFieldText)) return step;
  run.context.onFault(new Error(`an answer ${String(step.status)} has a field that can not be written`));
  return run.mistake;
}
