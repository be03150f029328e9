import { setMaxListeners } from 'node:events';
import { Agent } from 'node:http';

import type { Instance } from '../discovery/instance.ts';
import type { RegistryClient } from '../discovery/registry-client.ts';
import { snapshotFromAnswer } from '../discovery/snapshot.ts';
import { type RoutingStatus, routingStatusPath } from '../discovery/routing-status.ts';

import { fetchRoutingStatus } from './fetch-routing-status.ts';
import { bounded, type Clock, sleep } from './clock.ts';
import { describeError } from './service-error.ts';

/** What one gateway says of this instance, or that it says nothing. */
export interface GatewayVerdict {
  /** The gateway's instance id in Consul. */
  readonly gateway: string;
  /** Where it was asked, `10.0.0.9:8080`. */
  readonly address: string;
  /**
   * `confirmed`: as it should be. `pending`: not yet. `out`: it knows this instance but sends it nothing, `reason` says why.
   * `unreachable`: the gateway itself could not be asked.
   */
  readonly outcome: 'confirmed' | 'pending' | 'out' | 'unreachable';
  /** For a person; empty when confirmed. */
  readonly reason: string;
}

/** What the live gateways say of this instance. */
export interface GatewayReport {
  /** One per gateway that Consul calls passing or warning; empty where there is none, or Consul could not be asked. */
  readonly gateways: readonly GatewayVerdict[];
  readonly confirmed: number;
  readonly elapsedMs: number;
  /** Why gateways could not be looked up; undefined when they were. */
  readonly problem: string | undefined;
}

/** Who asks, and whom. */
export interface GatewaysParts {
  readonly client: RegistryClient;
  /** The name by which gateways are registered; undefined: nobody is asked. */
  readonly gateways: string | undefined;
  readonly service: string;
  readonly id: string;
  readonly clock: Clock;
}

/** The gateways that follow the same Consul. */
export interface Gateways {
  /**
   * Asks every live gateway until each has confirmed, or is known not to live, or the time is up. `live`: it sends requests to this
   * instance. `drained`: it sends no new ones any more. Never rejects; ended early by the signal.
   */
  confirm(
    wanted: 'live' | 'drained',
    limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<GatewayReport>;
}

/** One look into Consul may take so long. */
const lookupTimeoutMs = 2_000;
/** One question may take so long; a gateway that is merely slow must not be asked anew and get slower. */
const questionTimeoutMs = 3_000;
const firstPauseMs = 20;
const maxPauseMs = 100;
/** So many failures in a row and nobody is there: a gateway that has just died must not cost the whole bound. */
const failuresOfTheDead = 3;

/** Nothing happens before `confirm`. */
export function createGateways(parts: GatewaysParts): Gateways {
  const { client, clock, service, id } = parts;
  const path = routingStatusPath(service, id);

  async function listed(name: string, signal: AbortSignal): Promise<readonly Instance[]> {
    const timeoutError = (): Error => new Error(`Consul did not answer within ${lookupTimeoutMs / 1000} s`);
    const answer = await bounded({ clock, timeoutMs: lookupTimeoutMs, timeoutError, signal }, (ending) =>
      client.serviceHealth(name, { signal: ending }),
    );
    const { instances } = snapshotFromAnswer(answer, { service: name, cluster: 'consul' });
    return instances.filter(({ status }) => status === 'passing' || status === 'warning');
  }

  async function settle(
    { id: gateway, address, port }: Instance,
    wanted: 'live' | 'drained',
    { agent, signal }: { readonly agent: Agent; readonly signal: AbortSignal },
  ): Promise<GatewayVerdict> {
    const facts = { gateway, address: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}` };
    let last: GatewayVerdict = { ...facts, outcome: 'pending', reason: 'it has not answered' };
    let failures = 0;
    const over = (): boolean => signal.aborted;
    for (let pauseMs = firstPauseMs; !over(); pauseMs = Math.min(maxPauseMs, pauseMs * 1.5)) {
      const question = { address, port, path, timeoutMs: questionTimeoutMs, agent, clock, signal };
      const answer = await fetchRoutingStatus(question);
      if (answer.kind === 'answered') {
        last = { ...facts, ...judge(answer.routingStatus, wanted) };
        if (last.outcome === 'confirmed') return last;
        failures = 0;
      } else if (!over()) {
        last = { ...facts, outcome: 'unreachable', reason: answer.reason };
        failures = answer.kind === 'failed' ? failures + 1 : 0;
        if (failures === failuresOfTheDead) return last;
      }
      await sleep(clock, pauseMs, signal);
    }
    return last;
  }

  async function converge(
    name: string,
    wanted: 'live' | 'drained',
    signal: AbortSignal,
  ): Promise<Pick<GatewayReport, 'gateways' | 'problem'>> {
    const agent = new Agent({ keepAlive: true });
    const verdicts = new Map<string, GatewayVerdict>();
    try {
      // Again after all have answered: one that has come meanwhile may have read the registry before our last word got there.
      for (;;) {
        const fresh = (await listed(name, signal)).filter(({ key }) => !verdicts.has(key));
        if (fresh.length === 0) return { gateways: [...verdicts.values()], problem: undefined };
        const settled = fresh.map(async (gateway) => {
          verdicts.set(gateway.key, await settle(gateway, wanted, { agent, signal }));
        });
        await Promise.all(settled);
      }
    } catch (error) {
      return {
        gateways: [...verdicts.values()],
        problem: signal.aborted && verdicts.size > 0 ? undefined : describeError(error),
      };
    } finally {
      agent.destroy();
    }
  }

  return {
    async confirm(wanted, { timeoutMs, signal }) {
      const { gateways: name } = parts;
      const sinceMs = clock.nowMs();
      if (name === undefined) return { gateways: [], confirmed: 0, elapsedMs: 0, problem: undefined };
      const ending = new AbortController();
      // One listener per gateway: many gateways are no leak, as Node would say on the service's stderr.
      setMaxListeners(0, ending.signal);
      const end = (): void => {
        ending.abort();
      };
      const cancel = clock.setTimer(timeoutMs, end);
      if (signal.aborted) end();
      signal.addEventListener('abort', end, { once: true });
      try {
        const { gateways, problem } = await converge(name, wanted, ending.signal);
        const confirmed = gateways.filter(({ outcome }) => outcome === 'confirmed').length;
        return { gateways, confirmed, elapsedMs: clock.nowMs() - sinceMs, problem };
      } finally {
        cancel();
        signal.removeEventListener('abort', end);
      }
    },
  };
}

/** `unknown` is as good as drained: a gateway that has no such instance sends it nothing. */
function judge(
  { state, reason }: RoutingStatus,
  wanted: 'live' | 'drained',
): Pick<GatewayVerdict, 'outcome' | 'reason'> {
  const good = wanted === 'live' ? state === 'live' : state === 'draining' || state === 'unknown';
  if (good) return { outcome: 'confirmed', reason: '' };
  switch (state) {
    case 'live':
      return { outcome: 'pending', reason: 'it still sends requests here' };
    case 'out':
      return { outcome: 'out', reason };
    case 'draining':
      return { outcome: 'pending', reason: 'it takes this instance for one that is leaving' };
    case 'unknown':
      return { outcome: 'pending', reason: 'it does not know this instance yet' };
  }
}
