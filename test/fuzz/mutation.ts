/** Seeded randomness (mulberry32): the same seed gives the same messages on every machine. */
export interface Random {
  /** An integer from 0 up to, not including, `below`. */
  below(below: number): number;
  pick<T>(items: readonly T[]): T;
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const below = (limit: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * limit);
  };
  return {
    below,
    pick: (items) => {
      const item = items[below(items.length)];
      if (item === undefined) throw new Error('nothing to pick from');
      return item;
    },
  };
}

/** Valid requests, from which the mutants descend; latin1. */
const ancestors: readonly string[] = [
  'GET /a?b=c HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n',
  'GET / HTTP/1.0\r\n\r\n',
  'HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  'POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world',
  'POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;ext="v"\r\n world\r\n0\r\n\r\n',
  'DELETE /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n00a\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n',
  'PATCH /z HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0000000000000000003 ;a=b\r\nabc\r\n1\t; c\r\nd\r\n000\r\n\r\n',
  'GET /q?a=C:\\d&b="<|>^` HTTP/1.1\r\nHost: x\r\nConnection: x-a, close\r\nX-A: 1\r\n\r\n',
  'OPTIONS /o HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nConnection: TE\r\n\r\n1\r\nx\r\n0\r\n\r\n',
  'PUT /e HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc',
  'GET /u HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  'GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\nPOST /3 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi',
];

/** What bites parsers: separators, controls, digits, and the names and values that decide framing. */
const fragments: readonly string[] = [
  '\r\n', '\r', '\n', '\0', '\t', ' ', ':', ';', ',', '\r\n\r\n', '\n\n', '\r\r\n', '\r\n ', '0', '1', 'a', '\x7f', '\xa0', '\xff', '\x0b',
  '-1', '+1', '0x', '00', '_', '9007199254740992', '99999999999999999999', 'chunked', ',chunked', 'gzip, chunked', 'identity', 'close',
  'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding:\tchunked\r\n', 'Transfer-Encoding : chunked\r\n', 'Content-Length: 0\r\n',
  'Content-Length: 4\r\n', 'content-length: 4, 4\r\n', 'Content-Length:\r\n', 'Connection: content-length\r\n', ' HTTP/1.1', 'HTTP/1.0',
  'HTTP/2.0', 'HTTP/0.9', 'GET ', 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n', '0\r\n\r\n', '5\r\nhello\r\n', 'X: y\r\n', 'Expect: 100-continue\r\n',
  'Upgrade: h2c\r\n', 'Trailer: a\r\n', 'ffffffffffffff', ' ;', '0'.repeat(260), ' '.repeat(260), '%2e%2e/', '//', 'f'.repeat(20), ';'.repeat(300), 'A'.repeat(300), 'B: c\r\n'.repeat(120),
]; // prettier-ignore

/** One to four faults in a valid request: pieces deleted, replaced, inserted, doubled, moved, or the end cut off. */
export function mutant(random: Random): string {
  let text = random.pick(ancestors);
  for (let faults = 1 + random.below(4); faults > 0; faults -= 1) {
    const at = random.below(text.length + 1);
    const length = 1 + random.below(random.below(4) === 0 ? 20 : 2);
    const [before, piece, after] = [text.slice(0, at), text.slice(at, at + length), text.slice(at + length)];
    switch (random.below(7)) {
      case 0:
        text = before + after;
        break;
      case 1:
        text = before + random.pick(fragments) + after;
        break;
      case 2:
      case 3:
        text = before + random.pick(fragments) + piece + after;
        break;
      case 4:
        text = before + piece + piece + after;
        break;
      case 5:
        text = before + String.fromCharCode(random.below(256)) + after;
        break;
      default:
        text = random.below(4) === 0 ? before : before + after + piece;
    }
  }
  return text;
}
