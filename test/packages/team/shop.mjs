// Hono in an ES module.
import { startService } from '@roundhouse/agent-sdk';
import { Hono } from 'hono';

const app = new Hono();
app.get('/shop', async (context) => context.json({ instance: (await service).id, framework: 'hono' }));
const service = startService({ name: 'shop', routes: ['/shop'], handler: app });
