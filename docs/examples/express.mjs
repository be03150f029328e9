// Express.
import express from 'express';
import { startService } from '@roundhouse/agent-sdk';

const app = express();
app.get('/express/:word', (request, response) => response.send(`express ${request.params.word}`));

await startService({ name: 'express-example', routes: ['/express'], handler: app });
