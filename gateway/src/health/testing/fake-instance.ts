import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import {
  identityMetaKey,
  identityMetaValue,
  routingKeyMetaKey,
  type Instance,
} from '@roundhouse/agent-sdk/internal';

import { instance } from '../../../../test/kit/builders.ts';

/** A TCP server that stands for an instance, with what it has been sent. Ends by `stop`. */
export interface FakeInstance {
  readonly port: number;
  /** Everything received so far, of all connections in turn. */
  readonly received: () => string;
  readonly connections: () => number;
  readonly accepted: () => number;
  stop(): Promise<void>;
}

/** What a fake instance does with what it gets: all text of one connection so far. */
export type Behaviour = (socket: Socket, text: string) => void;

/** Listens on a free port of 127.0.0.1. */
export async function fakeInstance(
  onText: Behaviour = () => undefined,
  onConnection: (socket: Socket) => void = () => undefined,
): Promise<FakeInstance> {
  const open = new Set<Socket>();
  let received = '';
  let accepted = 0;
  const server: Server = createServer((socket) => {
    let text = '';
    accepted += 1;
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      received += chunk.toString('latin1');
      onText(socket, text);
    });
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    received: () => received,
    connections: () => open.size,
    accepted: () => accepted,
    stop: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A record of an instance on 127.0.0.1; `asked`: its meta says that it answers who it is. */
export function record(
  port: number,
  changes: Partial<Instance> & { readonly asked?: boolean } = {},
): Instance {
  const { asked = false, ...rest } = changes;
  const meta = { [routingKeyMetaKey]: 'k', ...(asked ? { [identityMetaKey]: identityMetaValue } : {}) };
  return instance(rest.id ?? 'i1', { cluster: 'dc1', node: 'n1', address: '127.0.0.1', port, meta, ...rest });
}
