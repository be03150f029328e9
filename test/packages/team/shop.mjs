// Hono in an ES module.
import { getRequestListener } from '@hono/node-server';
import { startService } from '@roundhouse/agent-sdk';
import { Hono } from 'hono';

const app = new Hono();
app.get('/shop', (context) => context.json({ instance: service.id, framework: 'hono' }));
const service = await startService({
  name: 'shop',
  routes: ['/shop'],
  handler: getRequestListener(app.fetch),
});
