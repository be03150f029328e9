import type { Socket } from 'node:net';

/**
 * The bytes that have come in on a socket and those that the kernel has taken of what was written to it. How much it has taken of a
 * write that is under way only Node's inside knows (`_handle`); where that is not as expected, such a write counts when it is through.
 */
export function movedBytes(socket: Socket): number {
  const { bytesRead } = socket;
  const { written, unsent } = handleFigures(socket) ?? {
    written: socket.bytesWritten,
    unsent: socket.writableLength,
  };
  return bytesRead + written - unsent;
}

function handleFigures(socket: Socket): { readonly written: number; readonly unsent: number } | undefined {
  const handle: unknown = '_handle' in socket ? socket._handle : undefined;
  if (typeof handle !== 'object' || handle === null) return undefined;
  if (!('bytesWritten' in handle) || !('writeQueueSize' in handle)) return undefined;
  const { bytesWritten: written, writeQueueSize: unsent } = handle;
  return typeof written === 'number' && typeof unsent === 'number' ? { written, unsent } : undefined;
}
