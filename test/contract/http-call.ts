/** An answer of a registry, its body parsed where it is JSON. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: unknown;
  /** `X-Consul-Index`; 0 when it is missing. */
  readonly index: number;
  readonly tookMs: number;
}

/** Speaks to a registry in plain HTTP, without any of our client code. */
export interface HttpCall {
  get(path: string): Promise<Answer>;
  put(path: string, body?: unknown): Promise<Answer>;
  delete(path: string): Promise<Answer>;
  request(method: string, path: string, body?: string): Promise<Answer>;
}

/** Calls below `address` (`http://127.0.0.1:PORT`); each has 20 s. A body that is not text is sent as JSON. */
export function httpCall(address: string): HttpCall {
  async function request(method: string, path: string, body?: string): Promise<Answer> {
    const begunMs = performance.now();
    const response = await fetch(`${address}/v1${path}`, {
      method,
      signal: AbortSignal.timeout(20_000),
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type') === 'application/json';
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson ? (JSON.parse(text) as unknown) : undefined,
      index: Number(response.headers.get('x-consul-index') ?? 0),
      tookMs: performance.now() - begunMs,
    };
  }
  return {
    request,
    get: (path) => request('GET', path),
    put: (path, body) =>
      request('PUT', path, body === undefined || typeof body === 'string' ? body : JSON.stringify(body)),
    delete: (path) => request('DELETE', path),
  };
}
