import type { Socket } from 'node:net';

import type { ClientFacts } from '../exchange/seam.ts';

/** Who is at the other end of an accepted socket. Asks the kernel. */
export function clientFacts(socket: Socket): ClientFacts {
  return {
    address: unmapped(socket.remoteAddress ?? ''),
    port: socket.remotePort ?? 0,
    scheme: 'http',
    localPort: socket.localPort ?? 0,
  };
}

/** `::ffff:192.0.2.1` is an IPv4 client on a dual-stack socket. */
function unmapped(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
