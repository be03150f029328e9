/** A request that the embedded agent refuses. Thrown by decoders and operations, answered in one place; the message is the body. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** What the embedded agent can do; every 501 ends with it. */
export const supported =
  'The embedded agent is for development and serves what the Roundhouse SDK and gateway use: ' +
  'PUT /v1/agent/service/{register,deregister/…,maintenance/…}, PUT /v1/agent/check/{pass,warn,fail}/…, ' +
  'GET /v1/agent/services, GET /v1/health/service/…, GET /v1/catalog/services, and /v1/kv/…. ' +
  'For the rest, run a real Consul.';

/** 501 for a part of Consul that is not implemented. */
export function notSupported(what: string): HttpError {
  return new HttpError(501, `${what} is not supported. ${supported}`);
}
