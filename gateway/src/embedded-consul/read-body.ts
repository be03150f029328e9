import type { IncomingMessage } from 'node:http';

/**
 * Reads a whole request body of at most `limitBytes`. `too_large` comes as soon as that is known; the rest is thrown away.
 * `aborted`: the client left first. Never rejects.
 */
export function readBody(
  request: IncomingMessage,
  limitBytes: number,
): Promise<Buffer | 'too_large' | 'aborted'> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const tooLarge = (): void => {
      chunks.length = 0;
      resolve('too_large');
    };
    if (Number(request.headers['content-length'] ?? 0) > limitBytes) {
      tooLarge();
      request.resume();
      return;
    }
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > limitBytes) tooLarge();
      else chunks.push(chunk);
    });
    request.on('end', () => {
      resolve(Buffer.concat(chunks));
    });
    request.on('close', () => {
      resolve('aborted');
    });
  });
}
