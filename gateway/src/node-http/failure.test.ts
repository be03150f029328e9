import { describe, expect, it } from 'vitest';

import { defaults } from '../config/defaults.ts';
import { codeOf, refusalOf, whyRefused } from './failure.ts';

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

  it('names a line only where it knows the whole head', () => {
    const why = (packet: string, fault: string, bytesRead = packet.length): string | undefined => {
      const rawPacket = Buffer.from(packet);
      const error = Object.assign(coded('HPE_INVALID_HEADER_TOKEN'), {
        rawPacket,
        bytesParsed: packet.indexOf(fault),
      });
      return whyRefused('bad_request', error, { bytesRead }, defaults.limits);
    };
    const head = 'GET / HTTP/1.1\r\nA: b\r\nC : d\r\nE : f\r\n\r\n';
    const sentence = 'Header line 2 has white space before its colon.';
    expect(why(head, ' : d')).toBe(sentence);
    expect(why(head, ' : d', 1_000)).toBe(sentence);
    expect(why('C : d\r\n\r\n', ' : d', 1_000)).toBeUndefined();
    expect(why(`GET / HTTP/1.1\r\nHost: h\r\n\r\n${head}`, ' : d')).toBeUndefined();
  });
});
