// Fastify. Its hooks preClose and onClose run within the stop.
import { fastify } from 'fastify';
import { startService } from '@roundhouse/agent-sdk';

const app = fastify();
app.get('/fastify/:word', (request) => `fastify ${request.params.word}`);

await startService({ name: 'fastify-example', routes: ['/fastify'], handler: app });
