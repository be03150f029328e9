import { expect, it } from 'vitest';

import { OversizeFilter } from './oversize-filter.ts';

/** What is left of a text that comes in pieces of so many bytes, with records of at most 100 bytes. */
function filtered(text: string, pieceBytes: number) {
  const filter = new OversizeFilter(100);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += pieceBytes) filter.push(bytes.subarray(at, at + pieceBytes));
  return { text: filter.end().toString('utf8'), leftOut: filter.leftOut, isReadable: filter.isReadable };
}

const long = 'x'.repeat(150);

it.each([1, 7, 64, 10_000])('leaves out what is too large of a map, in pieces of %i bytes', (pieceBytes) => {
  const map = { 'a"},{': ['t', ',:]}'], big: [long, '"'], b: [], 'é\\': ['\\"'], last: [long] };
  const { text, leftOut } = filtered(` ${JSON.stringify(map)}\n`, pieceBytes);
  expect(JSON.parse(text)).toEqual({ ...map, big: [], last: [] });
  expect(leftOut.map(({ name }) => name)).toEqual(['big', 'last']);
});

it.each([1, 7, 64, 10_000])('leaves out what is too large of a list, in pieces of %i bytes', (pieceBytes) => {
  const record = (id: string, tags: string[]) => ({ Node: { Node: 'n1' }, Service: { ID: id, Tags: tags } });
  const list = [record('big', [long]), record('a', ['t']), record('huge', [long, long]), record('b', [])];
  const { text, leftOut } = filtered(JSON.stringify(list, null, 1), pieceBytes);
  expect(JSON.parse(text)).toEqual([list[1], list[3]]);
  expect(leftOut).toEqual([
    { name: 'big', node: 'n1' },
    { name: 'huge', node: 'n1' },
  ]);
});

it('keeps what is empty, and does not mend what is broken', () => {
  expect(filtered('{}', 1).text).toBe('{}');
  expect(filtered('[ ]', 1).text).toBe('[]');
  expect(() => JSON.parse(filtered('{"a":["b"],"c":', 1).text) as unknown).toThrow();
  expect(filtered('<html>', 1).isReadable).toBe(false);
});
