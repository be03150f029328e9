/** Reads the answers on one connection, just far enough to know where each ends. */
export interface ResponseReader {
  /** Takes what came in. Throws on what is no answer. */
  read(chunk: Buffer): void;
}

type State =
  | { readonly kind: 'head'; rest: Buffer }
  | { readonly kind: 'counted'; left: number }
  | { readonly kind: 'chunked'; rest: Buffer; left: number };

const empty = Buffer.alloc(0);
const maxHeadBytes = 65_536;

/**
 * For generators: answers to GET and POST with `Content-Length` or in chunks (RFC 9112 §6.3), one after the other. `onEnd` is
 * called with the status when an answer is complete. It is no judge of correctness, that is the conformance suite's.
 */
export function createResponseReader(onEnd: (status: number) => void): ResponseReader {
  let state: State = { kind: 'head', rest: empty };
  let status = 0;

  const finish = (): void => {
    state = { kind: 'head', rest: empty };
    onEnd(status);
  };

  /** Each step takes some of the data and returns what is left; `undefined` when it needs more first. */
  function step(data: Buffer): Buffer | undefined {
    switch (state.kind) {
      case 'head':
        return head(data);
      case 'counted': {
        const taken = Math.min(state.left, data.length);
        state.left -= taken;
        if (state.left === 0) finish();
        return data.subarray(taken);
      }
      case 'chunked':
        return chunk(data);
    }
  }

  function head(data: Buffer): Buffer | undefined {
    const whole = withRest(data);
    const end = whole.indexOf('\r\n\r\n', 0, 'latin1');
    if (end === -1) {
      if (whole.length > maxHeadBytes) throw new Error('an answer with an endless head');
      state = { kind: 'head', rest: Buffer.from(whole) };
      return undefined;
    }
    const text = whole.toString('latin1', 0, end);
    const left = whole.subarray(end + 4);
    status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? NaN);
    if (Number.isNaN(status)) throw new Error('this is no answer');
    state = { kind: 'head', rest: empty };
    if (status < 200) return left;
    const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
    if (length !== undefined) state = { kind: 'counted', left: Number(length) };
    else if (/\r\ntransfer-encoding: *chunked/i.test(text)) state = { kind: 'chunked', rest: empty, left: 0 };
    else throw new Error('an answer without a length');
    if (state.kind === 'counted' && state.left === 0) finish();
    return left;
  }

  function chunk(data: Buffer): Buffer | undefined {
    if (state.kind !== 'chunked') return data;
    if (state.left > 0) {
      const taken = Math.min(state.left, data.length);
      state.left -= taken;
      return data.subarray(taken);
    }
    const whole = withRest(data);
    const end = whole.indexOf('\r\n', 0, 'latin1');
    if (end === -1) {
      state = { kind: 'chunked', rest: Buffer.from(whole), left: 0 };
      return undefined;
    }
    const size = parseInt(whole.toString('latin1', 0, end), 16);
    if (Number.isNaN(size)) throw new Error('a chunk without a size');
    if (size > 0) {
      state = { kind: 'chunked', rest: empty, left: size + 2 };
      return whole.subarray(end + 2);
    }
    // The proxies here send no trailers: the last chunk is followed by an empty line.
    if (whole.length < end + 4) {
      state = { kind: 'chunked', rest: Buffer.from(whole), left: 0 };
      return undefined;
    }
    finish();
    return whole.subarray(end + 4);
  }

  function withRest(data: Buffer): Buffer {
    if (state.kind === 'counted' || state.rest.length === 0) return data;
    return Buffer.concat([state.rest, data]);
  }

  return {
    read(data) {
      let left: Buffer | undefined = data;
      while (left !== undefined && left.length > 0) left = step(left);
    },
  };
}
