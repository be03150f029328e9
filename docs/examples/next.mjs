// Next.js with a custom server. Next is not among this repository's dependencies: copy the file into a Next project.
import { createServer } from 'node:http';
import next from 'next';
import { startService } from '@roundhouse/agent-sdk';

const app = next({ dev: process.env.NODE_ENV !== 'production' });
await app.prepare();
const server = createServer(app.getRequestHandler());
server.on('upgrade', app.getUpgradeHandler());

await startService({ name: 'next-example', routes: ['/'], handler: server, close: () => app.close() });
