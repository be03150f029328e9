import { STATUS_CODES } from 'node:http';

import type { FastifyReply, FastifyRequest } from 'fastify';

import type { Answers } from './answers.ts';

/** An RFC 9457 problem document; `more` adds members. */
export function problem(
  reply: FastifyReply,
  status: number,
  detail: string,
  more: object = {},
): FastifyReply {
  const title = STATUS_CODES[status] ?? '';
  return reply
    .code(status)
    .type('application/problem+json')
    .send(JSON.stringify({ type: 'about:blank', title, status, detail, ...more }));
}

/** `text` for `?format=text` or an `Accept` that names text/plain and not JSON; undefined for a format that there is not. */
export function formatOf(request: FastifyRequest): 'json' | 'text' | undefined {
  const { query } = request;
  const asked: unknown =
    typeof query === 'object' && query !== null && 'format' in query ? query.format : undefined;
  if (asked === 'json' || asked === 'text') return asked;
  if (asked !== undefined) return undefined;
  const accept = request.headers.accept ?? '';
  return accept.includes('text/plain') && !accept.includes('json') ? 'text' : 'json';
}

/** The same facts in two forms. */
export interface Forms {
  readonly json: () => Iterable<string>;
  readonly text: () => Iterable<string>;
}

/** Answers in the form that is asked for. */
export async function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  answers: Answers,
  forms: Forms,
): Promise<FastifyReply> {
  const format = formatOf(request);
  if (format === undefined) return problem(reply, 400, 'format is json or text.');
  const type = format === 'text' ? 'text/plain' : 'application/json';
  const path = request.url.split('?')[0] ?? '';
  const body = await answers.text(`${path} as ${format}`, forms[format]);
  return reply.type(`${type}; charset=utf-8`).send(body);
}
