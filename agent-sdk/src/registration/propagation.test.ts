import { describe, expect, it } from 'vitest';

import { systemClock } from './clock.ts';
import type { GatewayReport, GatewayVerdict } from './gateways.ts';
import { createReport, type ServiceEvent } from './log.ts';
import { confirmLive, drained } from './propagation.ts';

const verdict = (outcome: GatewayVerdict['outcome'], reason = ''): GatewayVerdict => ({
  gateway: `roundhouse-${outcome}`,
  address: '10.0.0.9:8080',
  outcome,
  reason,
});

function setUp(gateways: readonly GatewayVerdict[], problem?: string) {
  const asked: string[] = [];
  const events: ServiceEvent[] = [];
  const confirmed = gateways.filter(({ outcome }) => outcome === 'confirmed').length;
  const report: GatewayReport = { gateways, confirmed, elapsedMs: 39.6, problem };
  const parts = {
    gateways: {
      confirm: (wanted: string) => {
        asked.push(wanted);
        return Promise.resolve(report);
      },
    },
    acknowledgeTimeoutMs: 1_000,
    propagationMs: 150,
    clock: systemClock,
    report: createReport('api', (event) => events.push(event)),
  };
  const lines = () => events.map(({ level, message }) => `${level}: ${message}`);
  return { parts, asked, lines };
}

async function timed(wait: Promise<void>): Promise<number> {
  const sinceMs = performance.now();
  await wait;
  return performance.now() - sinceMs;
}

describe('propagation', () => {
  it('tells which gateway leaves a new instance out and why', async () => {
    const verdicts = [
      verdict('confirmed'),
      verdict('out', 'connection refused at 10.0.0.5:3000'),
      verdict('pending', 'it does not know this instance yet'),
      verdict('unreachable', 'no answer within 1 s'),
    ];
    const { parts, asked, lines } = setUp(verdicts);
    await confirmLive(parts, new AbortController().signal);
    expect(asked).toEqual(['live']);
    expect(lines()).toEqual([
      'warn: live on 1/4 gateways in 40 ms; ' +
        'gateway roundhouse-out leaves this instance out: connection refused at 10.0.0.5:3000; ' +
        'gateway roundhouse-pending: it does not know this instance yet; ' +
        "gateway roundhouse-unreachable can't be asked at 10.0.0.9:8080: no answer within 1 s",
    ]);
  });

  it('says nothing of a start where there are no gateways, or that was interrupted', async () => {
    const nobody = setUp([]);
    await confirmLive(nobody.parts, new AbortController().signal);
    const interrupted = setUp([verdict('pending')]);
    await confirmLive(interrupted.parts, AbortSignal.abort());
    expect([...nobody.lines(), ...interrupted.lines()]).toEqual([]);
  });

  it('is over soon after all gateways have confirmed, and takes the fixed time otherwise', async () => {
    const all = setUp([verdict('confirmed')]);
    all.parts.propagationMs = 60_000;
    expect(await timed(drained(all.parts, 'announced'))).toBeLessThan(5_000);
    expect(all.lines()).toEqual(['info: draining acknowledged by 1/1 gateways in 40 ms']);
    for (const verdicts of [[], [verdict('confirmed'), verdict('unreachable', 'connection refused')]]) {
      // A timer may fire a fraction of a millisecond early.
      expect(await timed(drained(setUp(verdicts).parts, 'announced'))).toBeGreaterThan(145);
    }
  });

  it('says that Consul failed, and asks nobody when Consul could not be told', async () => {
    const broken = setUp([], 'no leader');
    await drained(broken.parts, 'announced');
    expect(broken.lines()).toEqual(['warn: could not ask for gateways: no leader; closing after 150 ms']);
    const untold = setUp([verdict('confirmed')]);
    expect(await timed(drained(untold.parts, 'unknown'))).toBeGreaterThan(145);
    expect([untold.asked, untold.lines()]).toEqual([[], []]);
  });
});
