import { createServer } from 'node:net';

import type { Engine, EngineOptions } from '../listeners/engine.ts';
import { TrafficListener } from '../listeners/traffic-listener.ts';
import { ReadBuffers } from '../sockets/read-buffer.ts';
import { processTicker, TimeoutWheel } from '../sockets/timeout-wheel.ts';
import { UpstreamPools } from '../upstreams/upstream-pools.ts';
import { Http1ClientConnection } from './client-connection.ts';
import { createHttp1Instances } from './instance-connection.ts';

/** The engine on bare sockets: its own HTTP/1.1, strict about what it reads and exact in what it writes. Ended by `stop`. */
export function createWireEngine(options: EngineOptions): Engine {
  const wheel = new TimeoutWheel(processTicker);
  const buffers = new ReadBuffers(options.memory);
  const pools = new UpstreamPools({
    wheel,
    buffers,
    idleMs: options.poolIdleMs,
    lookup: options.lookup,
    maxConnections: options.maxUpstreamConnections,
    onExhausted: options.onExhausted,
  });
  return new TrafficListener(
    {
      name: 'wire',
      server: createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }),
      wheel,
      pools,
      turns: buffers.turns,
      instances: createHttp1Instances(pools),
      connect: (socket, parts) => new Http1ClientConnection(socket, { ...parts, buffers }),
    },
    options,
  );
}
