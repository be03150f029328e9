import websocket, { type WebSocket } from '@fastify/websocket';
import type { FastifyInstance } from 'fastify';

const maxMessageBytes = 2 ** 20;
/** While more than this waits to be sent, nothing is read: a client that never reads cannot fill the memory. */
const maxBacklogBytes = 2 ** 20;

/** RFC 6455 §7.4.1: 1001 "going away". */
const goingAway = 1001;

/** How the WebSocket echo behaves. */
export interface WebSocketOptions {
  /** Time between two pings; a client that has not answered the last one by then is disconnected. Default 30,000. */
  readonly pingIntervalMs?: number;
}

/**
 * WebSocket `/api/ws`: sends every message back as it came (text or binary, up to 1 MiB). When the app closes, every
 * client gets a close frame with 1001. A plain request gets 426 (RFC 9110 §15.5.22).
 */
export function webSocketRoute(
  app: FastifyInstance,
  { pingIntervalMs = 30_000 }: WebSocketOptions = {},
): void {
  void app.register(websocket, {
    options: { maxPayload: maxMessageBytes },
    errorHandler: (error, socket, request) => {
      request.log.info({ err: error }, 'a WebSocket ended badly');
      socket.terminate();
    },
    preClose(done) {
      for (const client of this.websocketServer.clients) client.close(goingAway, 'the instance is stopping');
      this.websocketServer.close();
      done();
    },
  });
  // In a plugin of its own: only then the plugin above sees the route.
  void app.register((scope, _options, done) => {
    scope.route({
      method: 'GET',
      url: '/api/ws',
      handler: (_request, reply) =>
        reply.code(426).headers({ upgrade: 'websocket', connection: 'upgrade' }).send({
          error: 'Upgrade Required',
          message: 'This is a WebSocket. Try: npx wscat -c ws://…/api/ws',
        }),
      wsHandler: (socket) => {
        echo(socket, endWhenSilent(socket, pingIntervalMs));
      },
    });
    done();
  });
}

function echo(socket: WebSocket, alive: () => void): void {
  socket.on('message', (message, isBinary) => {
    alive();
    socket.send(message, { binary: isBinary }, () => {
      alive();
      if (socket.isPaused && socket.bufferedAmount < maxBacklogBytes) socket.resume();
    });
    if (socket.bufferedAmount >= maxBacklogBytes) socket.pause();
  });
}

/**
 * Pings on a timer that ends with the socket, and terminates the socket when it was silent since the last ping. Returns
 * a function to call on any other sign of activity: an answer to a ping may be stuck behind data that is not read yet.
 */
function endWhenSilent(socket: WebSocket, intervalMs: number): () => void {
  let peer: 'alive' | 'asked' = 'alive';
  const alive = () => {
    peer = 'alive';
  };
  const timer = setInterval(() => {
    if (peer === 'asked') {
      socket.terminate();
      return;
    }
    peer = 'asked';
    socket.ping();
  }, intervalMs);
  socket.on('pong', alive);
  socket.once('close', () => {
    clearInterval(timer);
  });
  return alive;
}
