// The origin for uploads and WebSockets, and for everything where nginx is missing.  args: PORT...
//   GET /small (80 bytes), /100k, /1m; POST /upload reads the whole body, then answers; /hang never does;
//   /hints answers with 103s for ever, /trailers with trailer lines; WebSocket echo on any path.
import { createHash } from 'node:crypto';
import http from 'node:http';

const bodies = new Map([
  ['/small', Buffer.alloc(80, 'x')],
  ['/100k', Buffer.alloc(100_000, 'x')],
  ['/1m', Buffer.alloc(1_000_000, 'x')],
]);
const headers = new Map([...bodies].map(([path, body]) => [path, { 'content-length': body.length }]));

const endless = {
  '/hints': { start: '', again: `HTTP/1.1 103 Early Hints\r\nLink: <${'x'.repeat(8_000)}>\r\n\r\n` },
  '/trailers': {
    start: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n',
    again: `X: ${'x'.repeat(1_019)}\r\n`,
  },
};

function answer(request, response) {
  const body = bodies.get(request.url);
  if (body !== undefined) {
    response.writeHead(200, headers.get(request.url)).end(body);
    return;
  }
  if (request.url === '/hang') return;
  if (request.url in endless) {
    const { start, again } = endless[request.url];
    request.socket.write(start);
    const timer = setInterval(() => request.socket.writableLength === 0 && request.socket.write(again), 10);
    request.socket.once('close', () => clearInterval(timer));
    return;
  }
  request.resume().once('end', () => {
    const status = request.url === '/upload' ? 200 : 404;
    response.writeHead(status, { 'content-length': 2 }).end('ok');
  });
}

// Echoes small masked frames (RFC 6455 section 5.2) of up to 125 bytes.
function echo(request, socket, head) {
  const accept = createHash('sha1')
    .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  socket.setNoDelay(true);
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  let rest = head;
  const read = (chunk) => {
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (data.length - at >= 6) {
      const length = data[at + 1] & 127;
      if (length > 125 || (data[at] & 15) === 8) return socket.destroy();
      if (data.length - at < 6 + length) break;
      const reply = Buffer.allocUnsafe(2 + length);
      reply[0] = data[at];
      reply[1] = length;
      for (let i = 0; i < length; i += 1) reply[2 + i] = data[at + 6 + i] ^ data[at + 2 + (i & 3)];
      socket.write(reply);
      at += 6 + length;
    }
    rest = data.subarray(at);
    if (socket.writableNeedDrain) socket.pause();
  };
  socket.on('data', read);
  socket.on('drain', () => socket.resume());
  socket.on('error', () => socket.destroy());
}

for (const port of process.argv.slice(2).map(Number)) {
  const server = http.createServer(answer);
  server.keepAliveTimeout = 300_000;
  server.on('upgrade', echo);
  server.listen(port, '127.0.0.1');
}
