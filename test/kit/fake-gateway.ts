import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { parseRoutingQuestion, type RoutingStatus } from '@roundhouse/agent-sdk/internal';

/** How a fake gateway answers: with a routing status, with a bare status, or never. */
export type FakeAnswer = RoutingStatus['state'] | { readonly out: string } | number | 'hang';

/** Somebody who answers for instances on a port of 127.0.0.1, as a gateway does. */
export interface FakeGateway extends AsyncDisposable {
  readonly port: number;
  /** Ids of the instances it was asked about, in order. */
  readonly asked: readonly string[];
  /** From now on. At first: `live`. */
  answer(how: FakeAnswer): void;
}

export async function startFakeGateway(): Promise<FakeGateway> {
  const asked: string[] = [];
  let how: FakeAnswer = 'live';
  const server = createServer((request, response) => {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    asked.push(parseRoutingQuestion(path, `?${query}`)?.id ?? '?');
    if (how === 'hang') return;
    if (typeof how === 'number') {
      response.writeHead(how).end('{}');
      return;
    }
    const [state, reason] = typeof how === 'string' ? [how, ''] : ['out', how.out];
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ gateway: 'fake', state, reason, inFlight: 0 }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    answer(next) {
      how = next;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
