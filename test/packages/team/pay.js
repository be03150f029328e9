// Express in CommonJS.
const express = require('express');
const { startService } = require('@roundhouse/agent-sdk');

const app = express();
const service = startService({ name: 'pay', routes: ['/pay'], handler: app });
app.get('/pay', async (_request, response) => {
  response.json({ instance: (await service).id, framework: 'express' });
});
