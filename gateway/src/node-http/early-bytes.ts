import type { Socket } from 'node:net';

/** What a client may send ahead of the answer to its upgrade before its connection is no longer read. */
const earlyLimitBytes = 64 * 1024;

/** Bytes behind the head of an upgrade request. They are held until the instance has agreed (R29). */
export interface EarlyBytes {
  /** Hands over what has come and lets go of the connection, which is paused. */
  take(): readonly Buffer[];
}

/**
 * Reads on a connection that the parser has left, so that a client that goes away is noticed, and keeps the bytes. A client that
 * ends its direction before it has an answer has left: the connection is destroyed. Ends with `take` or the connection.
 */
export function holdEarlyBytes(socket: Socket, head: Buffer): EarlyBytes {
  const held: Buffer[] = head.length > 0 ? [head] : [];
  let bytes = head.length;
  const onData = (chunk: Buffer): void => {
    held.push(chunk);
    bytes += chunk.length;
    if (bytes >= earlyLimitBytes) socket.pause();
  };
  const onEnd = (): void => {
    socket.destroy();
  };
  socket.on('data', onData);
  socket.on('end', onEnd);
  return {
    take() {
      socket.pause();
      socket.off('data', onData);
      socket.off('end', onEnd);
      return held;
    },
  };
}
