import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { RegistryError } from '../discovery/registry-client.ts';

import { afterEvent, initialProgress, type Progress, type RegistrationEvent } from './registration-state.ts';
import { registrarTiming } from './time-limits.ts';

const timing = registrarTiming(15_000);
const definition = {
  ID: 'api-1',
  Name: 'api',
  Address: '10.0.0.4',
  Port: 4000,
  Tags: ['api', 'urlprefix-/api'],
  Meta: {},
  Weights: { Passing: 1, Warning: 1 },
  Checks: [],
};
const registered: RegistrationEvent = { kind: 'registered', definition };
const refused: RegistrationEvent = {
  kind: 'failed',
  error: new RegistryError('unreachable', 'no connection'),
};

/** Applies events, each `afterMs` after the one before; returns the last progress and all lines. */
function play(events: readonly (readonly [afterMs: number, event: RegistrationEvent])[], random = 0.5) {
  let progress: Progress = initialProgress;
  let nowMs = 0;
  const lines: string[] = [];
  for (const [afterMs, event] of events) {
    nowMs += afterMs;
    const after = afterEvent(progress, event, { nowMs, random, timing, id: 'api-1', consul: 'consul:8500' });
    progress = after.progress;
    if (after.line !== undefined) lines.push(`${after.line.level}: ${after.line.message}`);
  }
  return { progress, lines };
}

describe('the state of a registration', () => {
  it('is followed by heartbeats until it is time to register again', () => {
    const beat = [5_000, { kind: 'heartbeat' }] as const;
    expect(play([[0, registered]])).toMatchObject({
      progress: {
        next: 'heartbeat',
        pauseMs: 5_000,
        registration: { state: 'registered', address: '10.0.0.4' },
      },
      lines: ['info: registered api-1 at 10.0.0.4:4000 for /api in Consul at consul:8500'],
    });
    expect(play([[0, registered], beat, beat, beat, beat]).progress.next).toBe('heartbeat');
    const again = play([[0, registered], beat, beat, beat, beat, beat]);
    expect(again.progress).toMatchObject({ next: 'register', pauseMs: 5_000 });
    expect(again.lines).toHaveLength(1);
  });

  it('reports an outage when it begins, when its kind changes and once a minute, and forgets it with the next success', () => {
    const other: RegistrationEvent = { kind: 'failed', error: new RegistryError('timeout', 'no answer') };
    const { progress, lines } = play([
      [0, refused],
      [1_000, refused],
      [1_000, other],
      [59_000, other],
      [1_000, other],
    ]);
    expect(lines.map((line) => line.split(';')[0])).toEqual([
      'warn: no connection',
      'warn: no answer',
      'warn: no answer',
    ]);
    expect(progress).toMatchObject({ failures: 5, registration: { state: 'registering' } });
    expect(
      play([
        [0, refused],
        [0, registered],
        [0, refused],
      ]).lines,
    ).toHaveLength(3);
  });

  it('pauses between the limits of the backoff after every failure, and not at all when Consul forgot the instance', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (failures, random) => {
          const { progress } = play(
            Array.from({ length: failures }, () => [1, refused] as const),
            random,
          );
          expect(progress.next).toBe('register');
          expect(progress.pauseMs).toBeGreaterThanOrEqual(timing.backoff.minMs);
          expect(progress.pauseMs).toBeLessThanOrEqual(timing.backoff.maxMs);
        },
      ),
    );
    const error = new RegistryError('not_found', 'unknown check');
    const { progress, lines } = play([
      [0, registered],
      [0, { kind: 'forgotten', error }],
    ]);
    expect(progress).toMatchObject({ next: 'register', pauseMs: 0 });
    expect(progress.registration).toMatchObject({ state: 'registering', lastError: error });
    expect(lines.at(-1)).toBe('warn: Consul no longer knows api-1; registering again');
  });
});
