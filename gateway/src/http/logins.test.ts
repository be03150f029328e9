import { expect, it } from 'vitest';

import { asksForLogin, logsIn } from './logins.ts';

it.each([
  ['NTLM TlRMTVNTUAAB', true],
  ['Negotiate YII', true],
  ['negotiate', true],
  ['Kerberos\tYII', true],
  ['Bearer NTLM', false],
  ['Basic dTpw', false],
  ['Negotiates x', false],
  ['', false],
])('%j logs a connection in: %s', (value, expected) => {
  expect(logsIn(value)).toBe(expected);
});

it.each([
  ['NTLM', true],
  ['Negotiate, NTLM', true],
  ['Basic realm="a",\t negotiate YII', true],
  ['Bearer scope="NTLM"', false],
  ['Digest nonce="a", algorithm=MD5', false],
])('%j asks for such a login: %s', (value, expected) => {
  expect(asksForLogin(value)).toBe(expected);
});
