// Express in a CommonJS program.
const express = require('express');
const { startService } = require('@roundhouse/agent-sdk');

const app = express();
app.get('/common-js/:word', (request, response) => response.send(`common-js ${request.params.word}`));

startService({ name: 'common-js-example', routes: ['/common-js'], handler: app });
