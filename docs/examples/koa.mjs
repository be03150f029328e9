// Koa.
import Koa from 'koa';
import { startService } from '@roundhouse/agent-sdk';

const app = new Koa();
app.use((context) => {
  context.body = `koa ${context.path}`;
});

await startService({ name: 'koa-example', routes: ['/koa'], handler: app });
