import { isRequestId } from '../../http/request-fields.ts';
import type { TrustsPeer } from '../trusted-proxies.ts';
import type { RequestStep } from './step.ts';

/** Believes what trusted proxies say about the client, the request id and the time there is. Only with `trustedProxies`. */
export function trustPeer(trusts: TrustsPeer): RequestStep {
  return {
    name: 'trust-peer',
    run(request) {
      if (!trusts(request.head.client.address)) return 'continue';
      request.peer = 'trusted';
      const given = request.facts?.headers.claims?.['request-id'];
      if (isRequestId(given)) request.requestId = given;
      return 'continue';
    },
  };
}
