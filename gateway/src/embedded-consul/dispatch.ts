import { agentEndpoints } from './agent-endpoints.ts';
import { catalogEndpoints } from './catalog-endpoints.ts';
import type { AgentState, Endpoint, Handler, ReadPlan, Reply } from './endpoint.ts';
import { kvEndpoints } from './kv-endpoints.ts';
import { notSupported, Refusal, supported } from './refusal.ts';

/** What has arrived, complete. */
export interface Incoming {
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  readonly body: Buffer;
}

/** A method that the path doesn't have; `allow` is the header's value. OPTIONS gets it with 200. */
export interface MethodReply {
  readonly kind: 'method';
  readonly status: 200 | 405;
  readonly allow: string;
  readonly text: string;
}

export type Dispatched = Reply | ReadPlan | MethodReply;

const endpoints: readonly Endpoint[] = [...agentEndpoints, ...catalogEndpoints, ...kvEndpoints];
const exact = new Map(endpoints.filter(({ path }) => !path.endsWith('/')).map((e) => [e.path, e]));
const prefixes = endpoints
  .filter(({ path }) => path.endsWith('/'))
  .toSorted((a, b) => b.path.length - a.path.length);

/** Path and query of a request target, the path percent-decoded as a whole like Go does. Throws 400 when it can't be. */
export function splitTarget(target: string): { readonly path: string; readonly query: URLSearchParams } {
  const mark = target.indexOf('?');
  const raw = mark === -1 ? target : target.slice(0, mark);
  try {
    return {
      path: decodeURIComponent(raw),
      query: new URLSearchParams(mark === -1 ? '' : target.slice(mark + 1)),
    };
  } catch {
    throw new Refusal(400, 'The path is not valid percent-encoding');
  }
}

/** Finds the endpoint and asks it. Refusals come back as answers; anything else that is thrown is a bug and stays thrown. */
export function dispatch(incoming: Incoming, state: AgentState, nowMs: number): Dispatched {
  try {
    return ask(incoming, state, nowMs);
  } catch (error) {
    if (error instanceof Refusal) return { kind: 'text', status: error.status, text: error.message };
    throw error;
  }
}

function ask({ method, target, body }: Incoming, state: AgentState, nowMs: number): Dispatched {
  const { path, query } = splitTarget(target);
  if (path === '/') return { kind: 'text', status: 200, text: `${supported}\n` };
  const endpoint = exact.get(path) ?? prefixes.find((candidate) => path.startsWith(candidate.path));
  if (endpoint === undefined) throw notSupported(`${path.slice(0, 200)} is`);
  const handler = handlerOf(endpoint, method);
  if (handler === undefined) return methodReply(endpoint, method);
  const argument = path.slice(endpoint.path.length);
  return handler({ argument, query, body, state, nowMs });
}

function handlerOf({ methods }: Endpoint, method: string): Handler | undefined {
  return method === 'GET' || method === 'PUT' || method === 'DELETE' ? methods[method] : undefined;
}

function methodReply({ methods }: Endpoint, method: string): MethodReply {
  const allow = ['OPTIONS', ...Object.keys(methods)].join(',');
  if (method === 'OPTIONS') return { kind: 'method', status: 200, allow, text: '' };
  return { kind: 'method', status: 405, allow, text: `method ${method} not allowed` };
}
