import type { Server } from 'node:http';
import type { Socket } from 'node:net';

import { monotonicNow } from '../lifecycle/clock.ts';
import { Admission, type ConnectionGroup, type Crowding, type GivingWay } from '../listeners/admission.ts';
import { clientFacts } from '../sockets/client-facts.ts';
import type { Linked } from '../sockets/linked-list.ts';

/** A connection that has waited for its next request, or been at its present one, since a moment. */
class AdminConnection implements GivingWay, Linked<AdminConnection> {
  next: AdminConnection | undefined;
  previous: AdminConnection | undefined;
  group: ConnectionGroup | undefined;
  sinceMs = monotonicNow();
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get waitingMs(): number {
    return monotonicNow() - this.sinceMs;
  }

  shutdown(): void {
    this.#socket.destroy();
  }
}

/** Keeps the connections of a server that is not listening yet to `limit`: the longest without a new request go for new ones. */
export function boundConnections(
  server: Server,
  limit: number,
  onCrowding: (crowding: Crowding) => void,
): void {
  const bySocket = new WeakMap<Socket, AdminConnection>();
  const admission = new Admission<AdminConnection>({
    limits: () => ({ connections: limit, connectionsPerAddress: 0 }),
    isExempt: () => false,
    onCrowding,
    now: monotonicNow,
  });
  server.on('connection', (socket: Socket) => {
    const { address } = clientFacts(socket, 0);
    if (!admission.admits(address)) {
      socket.destroy();
      return;
    }
    const connection = new AdminConnection(socket);
    bySocket.set(socket, connection);
    admission.add(connection, address);
    socket.on('close', () => {
      admission.delete(connection);
    });
  });
  server.on('request', ({ socket }, response) => {
    const moved = (): void => {
      const connection = bySocket.get(socket);
      if (connection !== undefined) connection.sinceMs = monotonicNow();
    };
    moved();
    response.on('close', moved);
  });
}
