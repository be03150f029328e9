import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { fieldName } from './field-names.ts';
import { sourceOf } from './head-source.ts';

const asciiToken = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}$/);

describe('fieldName', () => {
  it.each([
    ['Content-Length', 'content-length'],
    ['content-length', 'content-length'],
    ['CONTENT-LENGTH', 'content-length'],
    ['Transfer-Encoding', 'transfer-encoding'],
    ['tRANSFER-eNCODING', 'transfer-encoding'],
    ['Connection', 'connection'],
    ['Keep-Alive', 'keep-alive'],
    ['keep-alivE', 'keep-alive'],
    ['Upgrade', 'upgrade'],
    ['Expect', 'expect'],
    ['TE', 'te'],
    ['tE', 'te'],
    ['X-Forwarded-For', 'forwarded-for'],
    ['Content_Length', 'hop-by-hop'],
    ['E', 'end-to-end'],
  ])('reads %s as %s', (text, role) => {
    expect(fieldName(sourceOf(text), 0, text.length)).toMatchObject({ text, role });
  });

  it('reads exactly what stands there, usual or not, wherever that is', () => {
    const name = fc.oneof(
      asciiToken,
      fc.constantFrom(
        'Content-Length',
        'Content-Lengti',
        'Host',
        'Hose',
        'X-Forwarded-Host',
        'X-Forwarded-Port',
      ),
    );
    fc.assert(
      fc.property(name, asciiToken, asciiToken, (text, before, after) => {
        const { bytes } = sourceOf(`${before}${text}${after}`);
        const source = { text: `${text}${after}`, bytes, offset: before.length };
        const alone = fieldName(sourceOf(text), 0, text.length);
        expect(fieldName(source, 0, text.length)).toMatchObject({ text, role: alone.role });
      }),
    );
  });

  it('gives a usual name as the same object each time', () => {
    const [a, b] = ['Accept-Encoding: x', 'Accept-Encoding: y'].map((text) =>
      fieldName(sourceOf(text), 0, 15),
    );
    expect(a).toBe(b);
  });
});
