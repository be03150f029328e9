import { routeName, type Route } from '../routing/route.ts';
import { errorTable, type ErrorCode, type ErrorRule } from './errors.ts';
import type { AnswerStep } from './seam.ts';

/** Who is answered, and in what form. */
export interface AnswerContext {
  readonly requestId: string;
  /** The request's `Accept`, empty when unknown. */
  readonly accept: string;
  readonly pseudonym: string;
  /** Instead of the detail in the table. May hold names out of the registry, nothing of what a client has sent. */
  readonly detail?: string | undefined;
}

/** How long a client should wait after a 503: about as long as a restart or a re-registration takes. */
const retryAfterSeconds = 1;

const allowedMethods = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** After these the client connection may hold bytes that were not understood, or the gateway is leaving. */
const closesConnection = new Set<ErrorCode>([
  'bad_request',
  'bad_target',
  'bad_host',
  'bad_framing',
  'unsupported_coding',
  'unsupported_version',
  'request_timeout',
  'content_too_large',
  'target_too_long',
  'fields_too_large',
  'draining',
  'internal',
]);

/**
 * The answer for an error of the closed table: `application/problem+json` (RFC 9457), or a small page for a client that prefers
 * HTML, with `Proxy-Status` (RFC 9209). It names no instance and no address: those stay in the log.
 */
export function errorAnswer(code: ErrorCode, context: AnswerContext): AnswerStep {
  const known: ErrorRule = errorTable[code];
  const rule = context.detail === undefined ? known : { ...known, detail: printable(context.detail) };
  const html = prefersHtml(context.accept);
  const fields = [
    'Content-Type',
    html ? 'text/html; charset=utf-8' : 'application/problem+json',
    'Cache-Control',
    'no-store',
    'Proxy-Status',
    `${context.pseudonym}; error=${rule.proxyStatus}`,
    'X-Request-Id',
    context.requestId,
  ];
  if (rule.status === 503) fields.push('Retry-After', String(retryAfterSeconds));
  if (rule.status === 405) fields.push('Allow', allowedMethods);
  const body = html ? page(rule, context.requestId) : problem(code, rule, context.requestId);
  return {
    kind: 'answer',
    status: rule.status,
    fields,
    body,
    connection: closesConnection.has(code) ? 'close' : 'keep',
  };
}

/** OPTIONS that ends at the gateway (RFC 9110 §9.3.7). */
export function optionsAnswer(requestId: string): AnswerStep {
  return {
    kind: 'answer',
    status: 204,
    fields: ['Allow', allowedMethods, 'X-Request-Id', requestId],
    body: '',
    connection: 'keep',
  };
}

function problem(code: ErrorCode, rule: ErrorRule, requestId: string): string {
  const { title, status, detail } = rule;
  return `${JSON.stringify({ type: 'about:blank', title, status, detail, code, requestId })}\n`;
}

function page({ status, title, detail }: ErrorRule, requestId: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${String(status)} ${title}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;color-scheme:light dark}small{opacity:.6}</style>
<h1>${String(status)} ${title}</h1><p>${escaped(detail)}</p><p><small>Request ${requestId}</small></p></html>
`;
}

/** Whom a path without a live instance belongs to, and who else claims it: names of services, never of instances or addresses. */
export function ownerDetail(route: Route): string {
  const { service, rivals = [] } = route;
  const shown = rivals.length > 5 ? [...rivals.slice(0, 5), `${rivals.length - 5} more`] : rivals;
  const others =
    rivals.length === 0 ? '' : ` ${shown.join(', ')} ${rivals.length === 1 ? 'claims' : 'claim'} it too.`;
  return `${routeName(route)} belongs to ${service}, which has no live instance.${others}`;
}

/** Names of services may hold any letter; an answer holds ASCII. */
function printable(text: string): string {
  return text.replace(/[^ -~]/g, '?');
}

function escaped(text: string): string {
  return text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** Browsers name text/html; tools say nothing or a wildcard, and get JSON. */
function prefersHtml(accept: string): boolean {
  const lower = accept.toLowerCase();
  const at = lower.indexOf('text/html');
  if (at === -1) return false;
  const json = lower.search(/application\/(?:problem\+)?json/);
  return json === -1 || at < json;
}
