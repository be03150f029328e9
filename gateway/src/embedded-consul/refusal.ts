/**
 * A request that the embedded agent turns down, with the answer that Consul gives (or, for what is not implemented, 501
 * and a sentence that names what is). Thrown by decoders and endpoints, answered in one place; the message is the body.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** What every "not here" answer ends with. */
export const supported =
  'The embedded agent is for development and serves what the Roundhouse SDK and gateway use: ' +
  '/v1/agent/{self,services,service/…,checks,check/…,maintenance}, /v1/health/{service,checks,node,state}/…, ' +
  '/v1/catalog/{services,service/…,nodes,datacenters}, /v1/status/{leader,peers} and /v1/kv/…. ' +
  'For the rest, run a real Consul.';

/** 501 for a part of Consul that is not implemented. */
export function notSupported(what: string): Refusal {
  return new Refusal(501, `${what} not supported. ${supported}`);
}
