import type { OriginKind } from './backdrop.ts';
import type { ProxyRun } from './proxy-run.ts';

/** `quick`: one short round each, to see that everything works; `full`: the figures for the docs. */
export type Pace = 'full' | 'quick';

/** One round of one proxy. What a scenario doesn't measure is undefined. */
export interface Sample {
  readonly perSecond: number | undefined;
  /** CPU time of all the proxy's processes for each request. */
  readonly cpuUs: number | undefined;
  /** CPU time as a share of one core's. */
  readonly cpuShare: number | undefined;
  readonly p50Us: number | undefined;
  readonly p99Us: number | undefined;
  readonly peakBytes: number;
  readonly bytesPerConnection: number | undefined;
  readonly errors: number;
}

/** What is measured, the same for every proxy. */
export interface Scenario {
  /** For `--only`. */
  readonly name: string;
  readonly title: string;
  /** For the report: connections, length of a round, generator. */
  readonly method: string;
  readonly origins: OriginKind;
  /** The proxies that it is for, by name; undefined: all. */
  readonly rows?: readonly string[];
  readonly rounds: number;
  /** Brings just-in-time compilers and pools to their usual state; all proxies do it at the same time. */
  warmUp(proxy: ProxyRun): Promise<void>;
  measure(proxy: ProxyRun): Promise<Sample>;
}
