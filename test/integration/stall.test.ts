import { describe, expect, it } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { ok, startRecordingOrigin, type OriginConnection } from '../kit/recording-origin.ts';
import { startTestGateway } from '../kit/start-gateway.ts';

const atOnce = 20;
const stallMs = 2_000;

/** Nothing else happens in this process meanwhile. */
function stall(): void {
  const until = performance.now() + stallMs;
  while (performance.now() < until);
}

describe.each(['wire', 'http-proxy'] as const)('a gateway with the %s engine', (engine) => {
  it('ejects no instance for answers that came while the gateway was stalled (G6)', async () => {
    const waiting: OriginConnection[] = [];
    const script = {
      request: (_request: unknown, connection: OriginConnection): undefined => {
        waiting.push(connection);
        if (waiting.length < atOnce) return;
        // The answers are in the kernel before the process stands still; the timeouts are over when it goes on.
        for (const each of waiting) each.write(ok());
        stall();
      },
    };
    const origins = [await startRecordingOrigin(script), await startRecordingOrigin(script)];
    const instances = origins.map(({ port }) => ({ address: '127.0.0.1', port }));
    const gateway = await startTestGateway({
      engine,
      services: [{ service: 'api-service', instances, settings: {} }],
      timeouts: { responseHeadMs: 200, tryMs: 400, totalMs: 0 },
    });
    try {
      const answers = await Promise.all(
        Array.from({ length: atOnce }, () => fetch(`${gateway.url}/api/x`).then(({ status }) => status)),
      );
      expect(answers).toEqual(answers.map(() => 200));
      const services = await (await fetch(`${gateway.adminUrl}/api/services`)).text();
      expect(services).not.toContain('ejected');
      await eventually(() => {
        expect(gateway.log().match(/"path":"\/api\/x"/g)).toHaveLength(atOnce);
      });
      expect(gateway.log()).not.toMatch(/"path":"\/api\/x".*"error"/);
    } finally {
      await gateway[Symbol.asyncDispose]();
      for (const origin of origins) await origin.close();
    }
  });
});
