// A program that listens by itself. With `server` a stop finishes its requests; `close` comes after the last one.
import { createServer } from 'node:http';
import { registerService } from '@roundhouse/agent-sdk';

const server = createServer((request, response) => response.end(`register ${request.url}`));
server.listen(0, () => registerService({ name: 'register-example', routes: ['/register'], server }));
