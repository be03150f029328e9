import type { Availability } from '@roundhouse/agent-sdk/internal';

import { takes } from '../config/prefix.ts';
import type { Destination } from '../exchange/destination.ts';
import { isRepeatable, isSafe } from '../exchange/retry.ts';
import { isWellKnown } from '../exchange/steps/well-known.ts';
import { judgeRequest } from '../http/request-rules.ts';
import type { Registry } from '../registry/registry.ts';
import type { ServiceView } from '../registry/services/service-runtime.ts';
import type { RejectedClaim } from '../routing/claims.ts';
import { coversHost } from '../routing/configured-prefixes.ts';
import { routeName, type Route } from '../routing/route.ts';

/** Rows of each list: an explanation is made in one turn of the event loop, and a service may have thousands of instances. */
const maxRows = 100;

/** What the gateway would do with a request now. Nothing is sent. Its lists have up to 100 rows. */
export interface Explanation {
  readonly method: string;
  readonly url: string;
  /** By what it is routed; undefined for a request that is refused before. */
  readonly host: string | undefined;
  readonly path: string | undefined;
  /** `routed`; the code of docs/errors.md for a refusal; `well_known`: the gateway answers itself. */
  readonly verdict: string;
  readonly route: RouteChoice | undefined;
  /** Routes and claims that cover the path too, and why they don't have it. */
  readonly others: readonly { readonly route: string; readonly service: string; readonly why: string }[];
  readonly endpoints: readonly EndpointChoice[];
  /** Instances that the service has in all. */
  readonly instances: number;
  /** What happens to the request, in this order. */
  readonly steps: readonly string[];
}

/** The route that a request takes, with the rules that hold on it. */
export interface RouteChoice extends Pick<Destination, 'timeouts' | 'sticky' | 'hedgeAfterMs'> {
  readonly route: string;
  readonly service: string;
  readonly source: Route['source'];
  /** The leading part of the path that is removed; undefined: nothing. */
  readonly strip: string | undefined;
  readonly balance: string;
  readonly panic: boolean;
  readonly queued: number;
  readonly attempts: number;
  /** `repeated`: a failed attempt may be repeated. `unsent`: only one of which nothing was sent. */
  readonly retry: 'repeated' | 'unsent';
  readonly retryStatuses: readonly number[];
}

/** An instance that the request could go to. */
export interface EndpointChoice {
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly availability: Availability;
  readonly status: string;
  readonly health: string;
  readonly check: string;
  readonly weight: number;
  readonly inFlight: number;
}

/** What an explanation is read from. */
export interface ExplainSources {
  readonly registry: Pick<Registry, 'table' | 'resolve' | 'rejected' | 'service' | 'areClaimsKnown'>;
  /** The names of the steps, by the configuration. */
  readonly steps: () => readonly string[];
}

/** Explains a request. `url`: absolute, or a path for a request without Host. */
export function explain({ registry, steps }: ExplainSources, method: string, url: string): Explanation {
  const host = /^https?:\/\/([^/?#]*)/i.exec(url)?.[1];
  const verdict = judgeRequest({
    ...{ method, target: url },
    ...(host === undefined
      ? { version: '1.0' as const, fields: [] }
      : { version: '1.1' as const, fields: ['Host', host] }),
  });
  const nothing = {
    host: undefined,
    path: undefined,
    route: undefined,
    others: [],
    endpoints: [],
    instances: 0,
    steps: steps(),
  };
  if (verdict.kind !== 'accepted')
    return { method, url, ...nothing, verdict: verdict.kind === 'refused' ? verdict.code : 'options' };
  const { facts } = verdict;
  const said = { ...nothing, method, url, host: facts.host, path: facts.path };
  if (isWellKnown(facts.path)) return { ...said, verdict: 'well_known' };
  const destination = registry.resolve(facts.host, facts.path);
  const others = losers(registry, facts, destination?.route);
  if (destination === undefined)
    return { ...said, others, verdict: registry.areClaimsKnown ? 'no_route' : 'not_ready' };
  const service = registry.service(destination.route.service);
  return {
    ...said,
    verdict: 'routed',
    route: routeChoice(method, destination, service),
    others,
    instances: destination.upstream.endpoints.length,
    endpoints: destination.upstream.endpoints
      .slice(0, maxRows)
      .map(({ instance, health, check, availability, inFlight, silence }) => {
        const { id, address, port, status, weight } = instance;
        const state = silence === 'silent' ? silence : health.state;
        return { id, address, port, availability, status, health: state, check, weight, inFlight };
      }),
  };
}

function routeChoice(method: string, destination: Destination, view: ServiceView | undefined): RouteChoice {
  const { route, upstream, timeouts, retry, sticky, hedgeAfterMs } = destination;
  return {
    route: routeName(route),
    ...{ service: route.service, source: route.source, strip: route.strip, timeouts, sticky },
    hedgeAfterMs: isSafe(method) ? hedgeAfterMs : 0,
    balance: view?.settings.balance ?? upstream.policy.balance,
    panic: upstream.panic,
    queued: upstream.queued,
    attempts: retry.attempts,
    retry: isRepeatable(method, retry) ? 'repeated' : 'unsent',
    retryStatuses: isRepeatable(method, retry) ? retry.statuses : [],
  };
}

/** Routes in the order in which they are tried, then claims that were rejected. */
function losers(
  { table, rejected }: Pick<Registry, 'table' | 'rejected'>,
  { host, path }: { readonly host: string; readonly path: string },
  winner: Route | undefined,
): Explanation['others'] {
  const covers = (route: Pick<RejectedClaim, 'host' | 'prefix'>): boolean =>
    takes(route.prefix, path) && coversHost(route.host, host);
  return [
    ...table.routes
      .filter((route) => route !== winner && covers(route))
      .slice(0, maxRows)
      .map((route) => ({ route: routeName(route), service: route.service, why: whyNot(route, winner) })),
    ...rejected
      .filter(covers)
      .slice(0, maxRows)
      .map((claim) => ({ route: routeName(claim), service: claim.service, why: claim.reason })),
  ];
}

function whyNot(route: Route, winner: Route | undefined): string {
  if (winner === undefined)
    return 'the path could be read as one of another route, and one of the two has strict paths';
  const name = routeName(winner);
  if (winner.host !== route.host && winner.source === 'config' && route.source === 'registry')
    return `the configuration owns ${name}`;
  return winner.host === route.host ? `${name} has a longer prefix` : `${name} is for a narrower host`;
}
