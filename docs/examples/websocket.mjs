// WebSockets with ws. At a stop the gateway closes them with code 1012; those of other clients are cut last, a few at a time.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { startService } from '@roundhouse/agent-sdk';

const server = createServer((request, response) => response.end(`websocket ${request.url}`));
new WebSocketServer({ server }).on('connection', (socket) => {
  socket.on('message', (text) => socket.send(`websocket ${text}`));
});

await startService({ name: 'websocket-example', routes: ['/websocket'], handler: server });
