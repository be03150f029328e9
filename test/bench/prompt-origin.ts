import { once } from 'node:events';
import { createServer } from 'node:http';

/** An instance in this process that notes when it is asked. Ends by `stop`. */
export interface PromptOrigin {
  readonly port: number;
  /** When the first request since `forget` came (`performance.now()`), if one did. */
  firstMs(): number | undefined;
  /** When the latest one came. */
  lastMs(): number | undefined;
  forget(): void;
  stop(): Promise<void>;
}

/** Listens on a free port of 127.0.0.1 and answers everything with 200. */
export async function createPromptOrigin(): Promise<PromptOrigin> {
  let firstMs: number | undefined;
  let lastMs: number | undefined;
  const server = createServer((request, response) => {
    lastMs = performance.now();
    firstMs ??= lastMs;
    request.resume();
    response.writeHead(200, { 'content-length': 2 }).end('ok');
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    firstMs: () => firstMs,
    lastMs: () => lastMs,
    forget() {
      firstMs = undefined;
      lastMs = undefined;
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
