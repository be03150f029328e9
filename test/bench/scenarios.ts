import { closedLoop } from './load/closed-loop.ts';
import { openIdle } from './load/idle.ts';
import type { LoadRequest, LoadResult } from './load/load.ts';
import { paced } from './load/paced.ts';
import { webSocketEcho } from './load/websocket.ts';
import { writeWrkScript, wrk } from './load/wrk.ts';
import type { ProxyRun } from './proxy-run.ts';
import type { Pace, Sample, Scenario } from './scenario.ts';

/** What scenarios need to know about the machine. */
export interface ScenarioOptions {
  readonly pace: Pace;
  /** `wrk`'s version, or undefined: then the built-in generator takes its place. */
  readonly wrkVersion: string | undefined;
  /** For the generator's files. */
  readonly folder: string;
  /** How many idle connections to open in full. */
  readonly idleConnections: number;
}

const small: LoadRequest = { path: '/small', uploadBytes: 0, connections: 64, connectionUse: 'kept' };
const fixedRate = 5_000;

/** Memory comes to rest this long after the last connection: garbage collectors and allocators have had a moment. */
const settleMs = 500;

/** All scenarios in the order of the tables. */
export function createScenarios(options: ScenarioOptions): readonly Scenario[] {
  const closed = (name: string, title: string, more: ClosedLoop): Scenario =>
    closedLoopScenario({ name, title }, more, options);
  return [
    closed('small', 'Small GET (80 bytes), kept connections', { request: small, rounds: 5, seconds: 2 }),
    closed('100k', '100 KB responses', { request: { ...small, path: '/100k' }, rounds: 3, seconds: 2 }),
    closed('1m', '1 MB responses', {
      request: { ...small, path: '/1m', connections: 16 },
      rounds: 3,
      seconds: 1,
    }),
    closed('upload', '64 KB uploads', {
      request: { path: '/upload', uploadBytes: 65_536, connections: 32, connectionUse: 'kept' },
      rounds: 3,
      seconds: 2,
    }),
    closed('newconn', 'New connection per request', {
      request: { ...small, connectionUse: 'renewed' },
      rounds: 3,
      seconds: 2,
    }),
    idleScenario(options),
    fixedRateScenario(options.pace),
    webSocketScenario(options.pace),
    ...(options.wrkVersion === undefined ? [] : [fairnessScenario(options)]),
  ];
}

interface ClosedLoop {
  readonly request: LoadRequest;
  /** In full pace. */
  readonly rounds: number;
  readonly seconds: number;
}

function closedLoopScenario(
  { name, title }: { readonly name: string; readonly title: string },
  { request, ...full }: ClosedLoop,
  { pace, wrkVersion, folder }: ScenarioOptions,
): Scenario {
  const { rounds, seconds } = pace === 'full' ? full : { rounds: 1, seconds: 1 };
  const scriptFile = wrkVersion === undefined ? undefined : writeWrkScript(folder, request);
  const { connections } = request;
  const generate = (proxy: ProxyRun, forSeconds: number): Promise<LoadResult> =>
    scriptFile === undefined
      ? closedLoop(proxy.port, request, forSeconds * 1000)
      : wrk(`http://127.0.0.1:${proxy.port}${request.path}`, {
          scriptFile,
          connections,
          seconds: forSeconds,
        });
  const generator = wrkVersion === undefined ? 'the built-in closed loop' : `wrk ${wrkVersion}`;
  return {
    name,
    title,
    method: `${request.connections} connections, ${rounds} × ${seconds} s, ${generator}`,
    origins: request.uploadBytes > 0 ? 'node' : 'web',
    rounds,
    warmUp: async (proxy) => {
      await generate(proxy, warmUpSeconds(pace));
    },
    measure: (proxy) => measureLoad(proxy, () => generate(proxy, seconds)),
  };
}

function fixedRateScenario(pace: Pace): Scenario {
  const { rounds, durationMs } =
    pace === 'full' ? { rounds: 3, durationMs: 2_000 } : { rounds: 1, durationMs: 700 };
  const generate = (proxy: ProxyRun, forMs: number): Promise<LoadResult> =>
    paced(proxy.port, small, { ratePerSecond: fixedRate, durationMs: forMs });
  return {
    name: 'fixed',
    title: `Fixed ${fixedRate.toLocaleString('en')} requests/s, small GET`,
    method: `64 connections, ${rounds} × ${durationMs / 1000} s, built-in open loop: latency counts from the millisecond in which a request was due`,
    origins: 'web',
    rounds,
    warmUp: async (proxy) => {
      await closedLoop(proxy.port, small, warmUpSeconds(pace) * 1000);
    },
    measure: (proxy) => measureLoad(proxy, () => generate(proxy, durationMs)),
  };
}

function webSocketScenario(pace: Pace): Scenario {
  const { rounds, durationMs } =
    pace === 'full' ? { rounds: 3, durationMs: 1_000 } : { rounds: 1, durationMs: 500 };
  const generate = (proxy: ProxyRun, forMs: number): Promise<LoadResult> =>
    webSocketEcho(proxy.port, { connections: 64, durationMs: forMs });
  return {
    name: 'ws',
    title: 'WebSocket echo (messages of 64 bytes)',
    method: `64 tunnels, one message under way on each, ${rounds} × ${durationMs / 1000} s, built-in generator; figures are per message there and back`,
    origins: 'node',
    rounds,
    warmUp: async (proxy) => {
      await generate(proxy, warmUpSeconds(pace) * 1000);
    },
    measure: (proxy) => measureLoad(proxy, () => generate(proxy, durationMs)),
  };
}

/** What large responses do to small ones. Without wrk the generator itself would be what is measured. */
function fairnessScenario({ pace, folder }: ScenarioOptions): Scenario {
  const { rounds, seconds } = pace === 'full' ? { rounds: 3, seconds: 4 } : { rounds: 1, seconds: 2 };
  // By then the readers have their connections: what those cost is another scenario.
  const settleSeconds = 5;
  const large: LoadRequest = { ...small, path: '/1m', connections: 2_000 };
  const scriptFile = writeWrkScript(folder, large);
  const readers = (proxy: ProxyRun, forSeconds: number): ReturnType<typeof wrk> =>
    wrk(`http://127.0.0.1:${proxy.port}/1m`, {
      scriptFile,
      connections: large.connections,
      seconds: forSeconds,
    });
  const measured = { ...small, connections: 8 };
  return {
    name: 'fair',
    title: 'Small GETs beside 2,000 readers of 1 MB',
    method: `${rounds} × ${seconds} s; requests and CPU are megabytes of the large responses (wrk), latencies those of 100 small GETs a second (built-in open loop, 8 connections) to an origin of their own`,
    origins: 'web-apart',
    rows: ['wire', 'http-proxy', 'haproxy', 'nginx', 'caddy'],
    rounds,
    warmUp: async (proxy) => {
      await closedLoop(proxy.port, small, warmUpSeconds(pace) * 1000);
    },
    measure: (proxy) =>
      measureLoad(proxy, async () => {
        const bulk = readers(proxy, settleSeconds + seconds);
        await new Promise((resolve) => setTimeout(resolve, settleSeconds * 1000));
        const { p50Us, p99Us, errors } = await paced(proxy.port, measured, {
          ratePerSecond: 100,
          durationMs: seconds * 1000,
        });
        const { bytes, elapsedMs } = await bulk;
        return { requests: bytes / 1_000_000, elapsedMs, p50Us, p99Us, errors };
      }),
  };
}

function idleScenario({ pace, idleConnections }: ScenarioOptions): Scenario {
  const count = pace === 'full' ? idleConnections : Math.min(2_000, idleConnections);
  return {
    name: 'idle',
    title: `${count.toLocaleString('en')} idle connections`,
    method:
      'each had one small GET; resident memory of the proxy after a quarter of them and after all, over those in between',
    origins: 'web',
    rounds: 1,
    warmUp: async (proxy) => {
      await closedLoop(proxy.port, small, warmUpSeconds(pace) * 1000);
    },
    async measure(proxy) {
      proxy.resetPeak();
      // The first ones make heaps and allocators grow to a size that they keep.
      const first = await openIdle(proxy.port, '/small', Math.ceil(count / 4));
      await new Promise((resolve) => setTimeout(resolve, settleMs));
      const before = proxy.usage();
      const rest = await openIdle(proxy.port, '/small', count - first.open);
      try {
        await new Promise((resolve) => setTimeout(resolve, settleMs));
        const open = first.open + rest.open;
        if (open < count / 2) throw new Error(`keeps ${open} of ${count} connections open`);
        const after = proxy.usage();
        return {
          perSecond: undefined,
          cpuUs: undefined,
          cpuShare: undefined,
          p50Us: undefined,
          p99Us: undefined,
          peakBytes: after.peakBytes,
          bytesPerConnection:
            Math.max(0, after.residentBytes - before.residentBytes) / Math.max(1, rest.open),
          errors: count - open,
        };
      } finally {
        first.close();
        rest.close();
      }
    },
  };
}

/** All proxies warm up at the same time and share a core, hence longer than a round. */
function warmUpSeconds(pace: Pace): number {
  return pace === 'full' ? 4 : 2;
}

async function measureLoad(proxy: ProxyRun, generate: () => Promise<LoadResult>): Promise<Sample> {
  proxy.resetPeak();
  const before = proxy.usage();
  const result = await generate();
  const after = proxy.usage();
  const cpuUs = after.cpuUs - before.cpuUs;
  return {
    perSecond: (result.requests / result.elapsedMs) * 1000,
    cpuUs: result.requests === 0 ? undefined : cpuUs / result.requests,
    cpuShare: cpuUs / 1000 / result.elapsedMs,
    p50Us: result.p50Us,
    p99Us: result.p99Us,
    peakBytes: after.peakBytes,
    bytesPerConnection: undefined,
    errors: result.errors,
  };
}
