// Hono, or any other object with a fetch-style handler.
import { Hono } from 'hono';
import { startService } from '@roundhouse/agent-sdk';

const app = new Hono();
app.get('/hono/:word', (context) => context.text(`hono ${context.req.param('word')}`));

await startService({ name: 'hono-example', routes: ['/hono'], handler: app });
