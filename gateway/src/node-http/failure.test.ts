import { describe, expect, it } from 'vitest';

import { codeOf, refusalOf } from './failure.ts';

const coded = (code: string): Error => Object.assign(new Error('HPE_ ECONNREFUSED'), { code });

describe('failure', () => {
  it('reads the code and never the message', () => {
    expect(codeOf(coded('EPIPE'))).toBe('EPIPE');
    for (const odd of [
      new Error('ECONNREFUSED'),
      { code: 'EPIPE' },
      undefined,
      Object.assign(new Error(''), { code: 7 }),
    ])
      expect(codeOf(odd)).toBe('');
  });

  it('answers what a client sent, and not a client that has gone', () => {
    const expected = {
      ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
      HPE_HEADER_OVERFLOW: 'fields_too_large',
      HPE_CHUNK_EXTENSIONS_OVERFLOW: 'content_too_large',
      HPE_INVALID_TRANSFER_ENCODING: 'bad_framing',
      HPE_UNEXPECTED_CONTENT_LENGTH: 'bad_framing',
      HPE_INVALID_METHOD: 'bad_request',
      HPE_INVALID_EOF_STATE: 'gone',
      ECONNRESET: 'gone',
      EPIPE: 'gone',
    };
    for (const [code, meaning] of Object.entries(expected))
      expect(refusalOf(coded(code), { headBytes: 100 })).toBe(meaning);
  });
});
