import { describe, expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { rawExchange } from '../kit/raw-client.ts';
import { ok, type OriginConnection } from '../kit/recording-origin.ts';
import { startEngine, startOrigin } from './fixtures.ts';
import { engineNames } from './subject.ts';
import { message } from './trial.ts';

/** A gateway that stands still must not take its own silence for that of its instances. */

const atOnce = 20;
const stallMs = 2_000;

/** Blocks this process. */
function stall(): void {
  const until = performance.now() + stallMs;
  while (performance.now() < until);
}

describe.each(engineNames)('the %s engine', (engine) => {
  it('blames no instance when it stalls while it waits for answers that come meanwhile', async () => {
    const timeouts = { responseHeadMs: 200, tryMs: 200, totalMs: 200 };
    const waiting: OriginConnection[] = [];
    const origin = await startOrigin({
      request: (_request, connection) => {
        waiting.push(connection);
        if (waiting.length === atOnce) {
          // The answers are in the kernel before the process stands still; the timeouts are over when it goes on.
          for (const each of waiting) each.write(ok());
          stall();
        }
        return undefined;
      },
    });
    const subject = await startEngine(engine, [origin.port], { timeouts });
    const answers = await Promise.all(
      Array.from({ length: atOnce }, () => rawExchange(subject.port, message('GET /'))),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(subject.exchanges.log.flatMap(({ failures }) => failures)).toEqual([]);
  });

  it('blames no instance when it stalls while it connects', async () => {
    const origin = await startOrigin();
    const subject = await startEngine(engine, [origin.port], {
      timeouts: { connectMs: 100 },
      script: {
        begin: (_head, attempt) => {
          // The engine starts to connect when this has returned, and only then does the process stand still.
          process.nextTick(stall);
          return attempt();
        },
      },
    });
    expect((await rawExchange(subject.port, message('GET /'))).status).toBe(200);
    expect(subject.exchanges.log.flatMap(({ failures }) => failures)).toEqual([]);
  });

  it('still takes silence for silence', async () => {
    const origin = await startOrigin({});
    const subject = await startEngine(engine, [origin.port], { timeouts: { responseHeadMs: 200 } });
    const answer = rawExchange(subject.port, message('GET /'));
    await eventually(() => {
      expect(origin.requests()).toHaveLength(1);
    });
    stall();
    expect((await answer).status).toBe(504);
  });
});
