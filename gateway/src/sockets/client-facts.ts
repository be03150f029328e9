import type { Socket } from 'node:net';

import type { ClientFacts } from '../http/message.ts';

/** Who is at the other end of a socket that a listener on `localPort` has accepted. Asks the kernel, once for address and port. */
export function clientFacts(socket: Socket, localPort: number): ClientFacts {
  return {
    address: unmapped(socket.remoteAddress ?? ''),
    port: socket.remotePort ?? 0,
    scheme: 'http',
    localPort,
  };
}

/** `::ffff:192.0.2.1` is an IPv4 client on a dual-stack socket. */
function unmapped(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
