import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { requestFraming, responseFraming } from './framing.ts';
import { readHeaders } from './header-facts.ts';

describe('requestFraming', () => {
  const cases: readonly (readonly [string, readonly string[], unknown])[] = [
    ['nothing said', ['Host', 'a'], { kind: 'none' }],
    ['a length', ['Content-Length', '12'], { kind: 'length', bytes: 12 }],
    ['a length in another spelling', ['cONTENT-lENGTH', ' 12\t'], { kind: 'length', bytes: 12 }],
    ['a zero length', ['Content-Length', '0'], { kind: 'length', bytes: 0 }],
    ['leading zeros', ['Content-Length', '0005'], { kind: 'length', bytes: 5 }],
    [
      'more leading zeros than digits',
      ['Content-Length', `${'0'.repeat(40)}7`],
      { kind: 'length', bytes: 7 },
    ],
    [
      'the largest exact length',
      ['Content-Length', '9007199254740991'],
      { kind: 'length', bytes: 2 ** 53 - 1 },
    ],
    ['a length beyond exactness', ['Content-Length', '9007199254740992'], 'bad_framing'],
    ['a length of 20 digits', ['Content-Length', '99999999999999999999'], 'bad_framing'],
    ['an empty length', ['Content-Length', ''], 'bad_framing'],
    ['a signed length', ['Content-Length', '+5'], 'bad_framing'],
    ['a negative length', ['Content-Length', '-5'], 'bad_framing'],
    ['a hexadecimal length', ['Content-Length', '0x5'], 'bad_framing'],
    ['an exponent', ['Content-Length', '5e1'], 'bad_framing'],
    ['a space inside', ['Content-Length', '1 2'], 'bad_framing'],
    ['a vertical tab around it', ['Content-Length', '\v5'], 'bad_framing'],
    ['a list', ['Content-Length', '5, 5'], 'bad_framing'],
    ['equal lengths twice', ['Content-Length', '5', 'Content-Length', '5'], 'bad_framing'],
    ['different lengths', ['Content-Length', '5', 'content-length', '6'], 'bad_framing'],
    ['chunked', ['Transfer-Encoding', 'chunked'], { kind: 'chunked' }],
    ['chunked in another spelling', ['transfer-encoding', ' CHUNKED '], { kind: 'chunked' }],
    ['chunked and a length', ['Transfer-Encoding', 'chunked', 'Content-Length', '5'], 'bad_framing'],
    ['a length and chunked', ['Content-Length', '5', 'Transfer-Encoding', 'chunked'], 'bad_framing'],
    ['chunked twice', ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'], 'bad_framing'],
    ['chunked, chunked', ['Transfer-Encoding', 'chunked, chunked'], 'bad_framing'],
    ['an empty member before chunked', ['Transfer-Encoding', ',chunked'], 'bad_framing'],
    ['an empty member after chunked', ['Transfer-Encoding', 'chunked,'], 'bad_framing'],
    ['an empty coding', ['Transfer-Encoding', ''], 'bad_framing'],
    ['chunked with a vertical tab', ['Transfer-Encoding', '\vchunked'], 'bad_framing'],
    ['chunked with a parameter', ['Transfer-Encoding', 'chunked;q=1'], 'bad_framing'],
    ['xchunked', ['Transfer-Encoding', 'xchunked'], 'bad_framing'],
    ['identity', ['Transfer-Encoding', 'identity'], 'bad_framing'],
    ['gzip alone', ['Transfer-Encoding', 'gzip'], 'bad_framing'],
    ['chunked before gzip', ['Transfer-Encoding', 'chunked, gzip'], 'bad_framing'],
    ['gzip before chunked', ['Transfer-Encoding', 'gzip, chunked'], 'unsupported_coding'],
    ['gzip on its own line', ['Transfer-Encoding', 'gzip', 'Transfer-Encoding', 'chunked'], 'bad_framing'],
    ['names that only look alike', ['Content_Length', '5', 'Transfer_Encoding', 'chunked'], { kind: 'none' }],
  ];
  it.each(cases)('reads %s', (_name, fields, expected) => {
    expect(requestFraming(readHeaders(fields), '1.1')).toEqual(expected);
  });

  it('refuses Transfer-Encoding over HTTP/1.0', () => {
    expect(requestFraming(readHeaders(['Transfer-Encoding', 'chunked']), '1.0')).toBe('bad_framing');
    expect(requestFraming(readHeaders(['Content-Length', '3']), '1.0')).toEqual({ kind: 'length', bytes: 3 });
  });

  it('takes any number of framing lines for exactly one framing or a refusal', () => {
    const name = fc.constantFrom('Content-Length', 'Transfer-Encoding', 'X-Other', 'content-length');
    const value = fc.constantFrom('5', '6', '', 'chunked', 'gzip, chunked', ',chunked', 'chunked ', '0x5');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(name, value), { maxLength: 5 }),
        fc.constantFrom('1.0', '1.1'),
        (lines, version) => {
          const fields = lines.flat();
          const framing = requestFraming(readHeaders(fields), version);
          const said = lines.filter(([line]) => line !== 'X-Other');
          if (typeof framing === 'string') return said.length > 0;
          return framing.kind === 'none' ? said.length === 0 : said.length === 1;
        },
      ),
    );
  });
});

describe('responseFraming', () => {
  const get = { method: 'GET', status: 200, version: '1.1' } as const;
  const cases: readonly (readonly [
    string,
    readonly string[],
    Parameters<typeof responseFraming>[1],
    unknown,
  ])[] = [
    ['a length', ['Content-Length', '3'], get, { kind: 'length', bytes: 3 }],
    ['chunked', ['Transfer-Encoding', 'chunked'], get, { kind: 'chunked' }],
    ['nothing said', [], get, { kind: 'until_close' }],
    [
      'HEAD with a length',
      ['Content-Length', '3'],
      { ...get, method: 'HEAD' },
      { kind: 'none', statedBytes: 3 },
    ],
    [
      'HEAD with chunked',
      ['Transfer-Encoding', 'chunked'],
      { ...get, method: 'HEAD' },
      { kind: 'none', statedBytes: undefined },
    ],
    ['304 with a length', ['Content-Length', '3'], { ...get, status: 304 }, { kind: 'none', statedBytes: 3 }],
    [
      '204 with a length',
      ['Content-Length', '3'],
      { ...get, status: 204 },
      { kind: 'none', statedBytes: undefined },
    ],
    [
      'a length and chunked',
      ['Content-Length', '3', 'Transfer-Encoding', 'chunked'],
      get,
      'upstream_protocol',
    ],
    ['a bad length', ['Content-Length', '3x'], get, 'upstream_protocol'],
    ['two lengths', ['Content-Length', '3', 'Content-Length', '3'], get, 'upstream_protocol'],
    ['a bad length for HEAD', ['Content-Length', 'x'], { ...get, method: 'HEAD' }, 'upstream_protocol'],
    ['gzip, chunked', ['Transfer-Encoding', 'gzip, chunked'], get, 'upstream_protocol'],
    [',chunked', ['Transfer-Encoding', ',chunked'], get, 'upstream_protocol'],
    ['gzip', ['Transfer-Encoding', 'gzip'], get, 'upstream_protocol'],
    [
      'chunked over HTTP/1.0',
      ['Transfer-Encoding', 'chunked'],
      { ...get, version: '1.0' },
      'upstream_protocol',
    ],
  ];
  it.each(cases)('reads %s', (_name, fields, facts, expected) => {
    expect(responseFraming(readHeaders(fields), facts)).toEqual(expected);
  });
});
