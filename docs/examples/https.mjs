// A server of node:https. Gateways speak plain HTTP to instances, so it claims no route; other clients find it in Consul.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { startService } from '@roundhouse/agent-sdk';

const { TLS_CERT, TLS_KEY } = process.env;
const server = createServer(
  { cert: readFileSync(TLS_CERT), key: readFileSync(TLS_KEY) },
  (request, response) => response.end(`https ${request.url}`),
);
await startService({ name: 'https-example', handler: server });
