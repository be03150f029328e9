import { expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { get } from '../kit/load.ts';
import { consulOrSkip, startRealConsul } from '../kit/real-consul.ts';
import { blackHoleObstacle, openBlackHole } from '../kit/black-hole.ts';
import type { Origin, OriginMode } from './rig/origins.ts';
import { calm, scale } from './rig/scale.ts';
import { nothingLost, unexcused } from './rig/verdict.ts';
import { startWorld, type World } from './rig/world.ts';

const tryMs = 500;

/** Consul goes on calling the instance healthy in all of this: its heartbeats come. */
const env = {
  GATEWAY_TIMEOUTS_CONNECT_MS: '300',
  GATEWAY_TIMEOUTS_TRY_MS: String(tryMs),
  GATEWAY_TIMEOUTS_RESPONSE_HEAD_MS: '1000',
  GATEWAY_TIMEOUTS_TOTAL_MS: '5000',
};

/** A bad way for one of three instances, and what may come of it. */
interface Illness {
  readonly title: string;
  readonly begin: (origin: Origin) => Promise<() => Promise<void> | void>;
  readonly env?: Readonly<Record<string, string>>;
  /** Failures that no gateway can spare the client: what was sent may not be sent twice, what has begun can't be taken back. */
  readonly forced: RegExp;
  /** How many of them, at most: what is under way until it shows, and a request per probe. */
  readonly atMost: number;
  /** `shown`: it goes on until a failure shows that something had to be given up. */
  readonly lasts?: 'shown';
  /** The share of answers that the sick one may still have once traffic has moved away. */
  readonly share: number;
  /** In the metrics afterwards. */
  readonly named: RegExp;
}

const inMode = (mode: OriginMode) => async (origin: Origin) => {
  await origin.become(mode);
  return () => origin.become('healthy');
};
const nothingForced = /^$/;
const piled = (scale.perSecond / 3) * (tryMs / 1_000);
const probes = 10;

const illnesses: readonly Illness[] = [
  {
    title: 'accepts and never answers',
    begin: inMode('hang'),
    forced: /^POST 504 (try_timeout|upstream_timeout)$/,
    atMost: piled * 0.5 + probes,
    share: 0,
    named: /gateway_(?:retries|errors)_total\{[^}]*"(?:try_timeout|upstream_timeout)"/,
  },
  {
    title: 'is stopped by SIGSTOP',
    begin: (origin) => {
      origin.process.signal('SIGSTOP');
      return Promise.resolve(() => {
        origin.process.signal('SIGCONT');
      });
    },
    forced: /^POST 504 (try_timeout|upstream_timeout)$/,
    atMost: piled * 0.5 + probes,
    share: 0,
    named: /gateway_(?:retries|errors)_total\{[^}]*"(?:try_timeout|upstream_timeout|connect_timeout)"/,
  },
  {
    title: 'sends its head one byte a second',
    begin: inMode('slow-head'),
    forced: /^POST 504 (try_timeout|upstream_timeout)$/,
    atMost: piled * 0.5 + probes,
    share: 0,
    named: /gateway_(?:retries|errors)_total\{[^}]*"(?:try_timeout|upstream_timeout)"/,
  },
  {
    title: 'sends its body one byte a second',
    begin: inMode('slow-body'),
    env: { GATEWAY_BALANCE: 'least-requests', GATEWAY_TIMEOUTS_TOTAL_MS: '2000' },
    // The answer has begun; all that is left is to end it.
    forced: /^(?:GET|PUT|POST|DELETE) (?:answer cut|ECONNRESET)$/,
    atMost: scale.perSecond,
    lasts: 'shown',
    share: 0.15,
    named: /gateway_errors_total\{[^}]*"(?:deadline_exceeded|response_incomplete)"/,
  },
  {
    title: 'resets the connection in the middle of the body',
    begin: inMode('reset'),
    forced: /^(?:GET|PUT|POST|DELETE) (?:answer cut|ECONNRESET)$/,
    atMost: 100,
    share: 0,
    named: /gateway_errors_total\{[^}]*"response_incomplete"/,
  },
  {
    title: 'answers 500 to everything',
    begin: inMode('error'),
    forced: /^[A-Z]+ 500 of the service$/,
    atMost: 150,
    share: 0,
    named: /gateway_requests_total\{[^}]*code="500"/,
  },
  {
    title: 'answers 503 to everything, which the route tries elsewhere',
    begin: inMode('unavailable'),
    env: { GATEWAY_RETRY_STATUSES: '503' },
    forced: /^POST 503 of the service$/,
    atMost: 100,
    share: 0,
    named: /gateway_retries_total\{[^}]*"status_503"/,
  },
  {
    title: 'takes 200 ms instead of one',
    begin: inMode('slow'),
    env: { GATEWAY_BALANCE: 'power-of-two' },
    forced: nothingForced,
    atMost: 0,
    share: 0.1,
    named: /gateway_upstream_duration_seconds_count/,
  },
];

/** The load's view: calm, ill, moved away, calm again, back. Then everything that was seen is judged. */
async function passThrough(world: World, illness: Illness): Promise<void> {
  const load = await world.startLoad();
  await load.untilAnswered(calm);
  const sick = world.origins[0]!;
  const recover = await illness.begin(sick);
  await load.untilShares((share) => share(sick.id) <= illness.share);
  await load.untilAnswered(calm);
  if (illness.lasts === 'shown') {
    await eventually(() => {
      expect(load.progress().failed).toBeGreaterThan(0);
    }, 10_000);
  }
  await recover();
  await load.untilShares((share, failed) => share(sick.id) > 0.2 && failed === 0, { deadlineMs: 60_000 });
  const { report, verdict } = await world.finish(load);
  expect(unexcused(verdict, illness.forced), JSON.stringify(verdict.samples)).toEqual({});
  expect(report.failed).toBeLessThanOrEqual(illness.atMost);
  expect({ ...verdict, failed: {}, samples: {} }).toEqual(nothingLost);
  const { body } = await get(`${world.gateway.adminUrl}/metrics`);
  const ours = body.split('\n').filter((line) => /^gateway_(?!.*_bucket)/.test(line));
  expect(ours.join('\n')).toMatch(illness.named);
  await world.untilQuiet();
}

consulOrSkip('one of three instances', (path) => {
  it.each(illnesses)('$title: traffic moves away, and comes back', async (illness) => {
    await using consul = await startRealConsul({ path });
    await using world = await startWorld({ consul: consul.address, gatewayEnv: { ...env, ...illness.env } });
    await passThrough(world, illness);
  });

  it.each(['wire', 'http-proxy'])(
    'is stopped by SIGSTOP, with the default configuration of the %s engine: nothing is lost, and it is back at once',
    async (engine) => {
      await using consul = await startRealConsul({ path });
      await using world = await startWorld({
        consul: consul.address,
        gatewayEnv: { GATEWAY_ENGINE: engine },
      });
      const load = await world.startLoad({ mix: 'idempotent', patienceMs: 10_000 });
      await load.untilAnswered(calm);
      const sick = world.origins[0]!;
      sick.process.signal('SIGSTOP');
      await load.untilShares((share) => share(sick.id) === 0);
      await load.untilAnswered(calm);
      sick.process.signal('SIGCONT');
      await load.untilShares((share) => share(sick.id) > 0.2);
      const { report, verdict } = await world.finish(load);
      expect(verdict).toEqual(nothingLost);
      expect(report.failed).toBe(0);
      const lines = world.gateway.process.output();
      expect(lines).toContain(`${sick.id} is silent`);
      expect(lines).toContain(`${sick.id} speaks again`);
      const { body } = await get(`${world.gateway.adminUrl}/metrics`);
      expect(body).toMatch(/gateway_retries_total\{[^}]*"silence"/);
      await world.untilQuiet();
    },
  );

  it('is slow, and its whole service is: nobody is called silent, and nothing runs twice', async () => {
    await using consul = await startRealConsul({ path });
    await using world = await startWorld({ consul: consul.address, originEnv: { WORK_MS: '3000' } });
    const load = await world.startLoad({ mix: 'idempotent', perSecond: 20 });
    await load.untilAnswered(60);
    const { report, verdict } = await world.finish(load);
    expect(verdict).toEqual(nothingLost);
    expect(world.journal.read().filter(({ id }) => id.startsWith(`${report.run}-`))).toHaveLength(
      report.sent,
    );
    expect(world.gateway.process.output()).not.toContain('is silent');
  });

  const obstacle = blackHoleObstacle();
  it.skipIf(obstacle !== undefined)(
    `is behind a black hole: packets to it are lost, and traffic moves away${obstacle === undefined ? '' : ` (skipped: ${obstacle})`}`,
    async () => {
      await using consul = await startRealConsul({ path });
      await using world = await startWorld({ consul: consul.address, gatewayEnv: env });
      await passThrough(world, {
        title: 'black hole',
        begin: (origin) => {
          const hole = openBlackHole('127.0.0.1', origin.port);
          return Promise.resolve(() => {
            hole[Symbol.dispose]();
          });
        },
        // What went out on connections that were open already may have arrived.
        forced: /^POST 504 (try_timeout|upstream_timeout)$/,
        atMost: piled * 0.5 + probes,
        share: 0,
        named: /gateway_retries_total\{[^}]*"connect_timeout"/,
      });
    },
  );
});
