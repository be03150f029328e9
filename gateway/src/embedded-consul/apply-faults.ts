import type { Fault } from './faults.ts';
import type { Outgoing } from './outgoing.ts';

const indexHeader = 'X-Consul-Index';

/** Changes an answer by the faults that change answers (`empty`, `truncate`, `index`, `headers`, `body`); the others are the server's business. */
export function distort(outgoing: Outgoing, faults: readonly Fault[]): Outgoing {
  return faults.reduce(distortOnce, outgoing);
}

function distortOnce(outgoing: Outgoing, fault: Fault): Outgoing {
  switch (fault.kind) {
    case 'empty':
      return { ...outgoing, status: 200, body: Buffer.from(outgoing.body[0] === 0x7b ? '{}' : '[]') };
    case 'truncate':
      return { ...outgoing, body: outgoing.body.subarray(0, Math.floor(outgoing.body.length / 2)) };
    case 'index': {
      const { [indexHeader]: actual, ...others } = outgoing.headers;
      const index = actual === undefined ? undefined : fault.rewrite(actual);
      return { ...outgoing, headers: index === undefined ? others : { ...others, [indexHeader]: index } };
    }
    case 'headers': {
      const headers = Object.entries({ ...outgoing.headers, ...fault.headers });
      return {
        ...outgoing,
        headers: Object.fromEntries(
          headers.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
        ),
      };
    }
    case 'body':
      return { ...outgoing, body: Buffer.from(fault.rewrite(outgoing.body.toString('utf8'))) };
    case 'answer':
    case 'delay':
    case 'drop':
    case 'dribble':
    case 'black_hole':
      return outgoing;
  }
}

/** The first fault of a kind. */
export function faultOf<K extends Fault['kind']>(
  faults: readonly Fault[],
  kind: K,
): Extract<Fault, { readonly kind: K }> | undefined {
  return faults.find((fault): fault is Extract<Fault, { readonly kind: K }> => fault.kind === kind);
}
