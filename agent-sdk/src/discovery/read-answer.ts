import type { ConsulResponse } from './consul-call.ts';
import { type CallFacts, notConsulFailure } from './consul-failure.ts';
import { readList } from './known-list.ts';
import type { AnswerMemory, ReadAnswer } from './registry-client.ts';
import { yieldTurn } from './yield-turn.ts';

/** What a 2xx answer to a read says. Throws `RegistryError('malformed')` for a body that is not JSON. */
export async function readAnswer(
  answer: ConsulResponse,
  facts: CallFacts,
  memory?: AnswerMemory,
): Promise<ReadAnswer> {
  return {
    body: await readBody(answer, facts, memory),
    bytes: answer.bytes,
    leftOut: answer.leftOut,
    index: header(answer, 'x-consul-index'),
    knownLeader: knownLeader(header(answer, 'x-consul-knownleader')),
    lastContactMs: wholeNumber(header(answer, 'x-consul-lastcontact')),
    filteredByAcl: header(answer, 'x-consul-results-filtered-by-acls') === 'true',
  };
}

export function contentTypeOf(answer: ConsulResponse): string {
  return header(answer, 'content-type') ?? '';
}

/** Reads a list record by record and yields between. A list of thousands would block the process for tens of milliseconds. */
async function readBody(
  answer: ConsulResponse,
  facts: CallFacts,
  memory: AnswerMemory = { list: undefined },
): Promise<unknown> {
  try {
    const reading = readList(answer.body, memory.list);
    let step = reading.next();
    for (; step.done !== true; step = reading.next()) await yieldTurn();
    memory.list = step.value;
    return step.value === undefined
      ? (JSON.parse(answer.body.toString('utf8')) as unknown)
      : step.value.elements.map(({ value }) => value);
  } catch {
    throw notConsulFailure(facts, answer.status, contentTypeOf(answer));
  }
}

function header(answer: ConsulResponse, name: string): string | undefined {
  const value = answer.headers[name];
  return typeof value === 'string' ? value : undefined;
}

function knownLeader(value: string | undefined): boolean | undefined {
  return value === 'true' ? true : value === 'false' ? false : undefined;
}

function wholeNumber(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,15}$/u.test(value) ? Number(value) : undefined;
}
