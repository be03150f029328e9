/** What a generator saw during one round. */
export interface LoadResult {
  /** Answered as they should be (for a WebSocket: messages that came back). */
  readonly requests: number;
  readonly elapsedMs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Wrong status, broken connections, timeouts, and what was still unanswered at the end of an open-loop run. */
  readonly errors: number;
}

/** A request that is sent again and again. */
export interface LoadRequest {
  readonly path: string;
  /** Size of a request body; 0 for a GET, else a POST. */
  readonly uploadBytes: number;
  readonly connections: number;
  /** `renewed`: `Connection: close`, so that each request needs a connection of its own. */
  readonly connectionUse: 'kept' | 'renewed';
}

/** The bytes of such a request in HTTP/1.1. */
export function requestBytes(port: number, request: LoadRequest): Buffer {
  const { path, uploadBytes, connectionUse } = request;
  const lines = [
    `${uploadBytes > 0 ? 'POST' : 'GET'} ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    ...(uploadBytes > 0 ? ['Content-Type: application/octet-stream', `Content-Length: ${uploadBytes}`] : []),
    ...(connectionUse === 'renewed' ? ['Connection: close'] : []),
  ];
  return Buffer.concat([
    Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'),
    Buffer.alloc(uploadBytes, 'x'),
  ]);
}
