import { setImmediate as turn } from 'node:timers/promises';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { openRawClient } from '../kit/raw-client.ts';
import { ok, type OriginConnection, type OriginScript } from '../kit/recording-origin.ts';
import { startEngine, startOrigin } from './fixtures.ts';
import { engineNames } from './subject.ts';
import { chunk, message } from './trial.ts';

const replayBytes = 4_096;

/** What an instance does once it has so many bytes. */
type Trouble = { readonly kind: 'reset' | 'end' | 'busy'; readonly afterBytes: number };

const trouble = fc.record({
  kind: fc.constantFrom<Trouble['kind']>('reset', 'end', 'busy'),
  afterBytes: fc.integer({ min: 0, max: 6_000 }),
});
/** A body in pieces, as the client sends it. */
const body = fc.array(fc.integer({ min: 1, max: 1_500 }), { minLength: 1, maxLength: 6 });

function troubled({ kind, afterBytes }: Trouble): OriginScript {
  const done = new Set<OriginConnection>();
  return {
    data: (connection) => {
      if (connection.received().length < afterBytes || done.has(connection)) return;
      done.add(connection);
      if (kind === 'reset') connection.reset();
      else if (kind === 'end') connection.end();
      else connection.write('HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy');
    },
    request: (_request, connection) => (done.has(connection) ? undefined : ok()),
  };
}

describe.each(engineNames)('the %s engine', (engine) => {
  it('sends a body whole or not at all, wherever the instances before break off', async () => {
    const origins = await Promise.all([startOrigin(), startOrigin(), startOrigin()]);
    const [first, second, sound] = origins;
    const subject = await startEngine(
      engine,
      origins.map(({ port }) => port),
      {
        replayBytes,
        poolIdleMs: 1,
        script: {
          // Tried elsewhere as long as there is another instance, and it can be.
          responded: ({ status }, attempt, sent) =>
            status === 503 && sent === 'head' ? attempt() : undefined,
        },
      },
    );

    let round = 0;
    const sent = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(trouble, trouble),
        body,
        fc.constantFrom('length', 'chunked'),
        async (troubles, sizes, framing) => {
          first.play(troubled(troubles[0]));
          second.play(troubled(troubles[1]));
          sound.play({ request: () => ok() });
          const before = origins.map((origin) => origin.requests().length);
          round += 1;
          const pieces = sizes.map((size, index) => `${round}.${index}.`.padEnd(size, 'x').slice(0, size));
          const whole = pieces.join('');
          sent.add(whole);
          const fields =
            framing === 'length' ? [`Content-Length: ${whole.length}`] : ['Transfer-Encoding: chunked'];
          const client = await openRawClient(subject.port);
          try {
            client.send(message('PUT /', fields));
            for (const piece of pieces) {
              await turn();
              client.send(framing === 'length' ? piece : chunk(piece));
            }
            if (framing === 'chunked') client.send('0\r\n\r\n');
            const { status } = await client.response('PUT');
            const seen = origins.map((origin, index) => origin.requests().slice(before[index]));
            // Nobody has read a request that no client has sent. What was answered early may come a round later.
            for (const { body: got } of seen.flat()) expect(sent).toContain(got);
            const { failures } = subject.exchanges.log.at(-1)!;
            if (status === 200) {
              expect(seen.flat().length).toBeGreaterThan(0);
            } else {
              expect(seen[2]).toHaveLength(0);
              expect(status === 503 || failures.at(-1)?.sent === 'body').toBe(true);
              expect(whole.length).toBeGreaterThan(replayBytes / 2);
            }
          } finally {
            client.destroy();
          }
        },
      ),
      { numRuns: 100 },
    );
    expect(subject.faults).toEqual([]);
  });
});
