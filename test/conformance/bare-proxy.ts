import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

import httpProxy from 'http-proxy';

/** A gateway as the package's own README makes it: no agent, no timeouts, an error listener that answers 502. */
export interface BareProxy {
  readonly port: number;
  close(): void;
}

/** Starts the bare package in front of one port of 127.0.0.1. */
export async function startBareProxy(originPort: number): Promise<BareProxy> {
  const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${String(originPort)}` });
  const onRequest: RequestListener = (request: IncomingMessage, response) => {
    proxy.web(request, response, {}, () => {
      if (!response.headersSent) response.writeHead(502);
      response.end();
    });
  };
  const server = createServer(onRequest);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
