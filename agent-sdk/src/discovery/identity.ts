import type { Instance } from './instance.ts';

/**
 * The identity check of an instance. A registration can be out of date: its port may now belong to another service. An instance of
 * the SDK announces the check in its meta and answers the question on every connection. A client asks first, and sends no request to
 * the wrong process (docs/decisions/0007-who-answers.md).
 */
export const identityMetaKey = 'roundhouse-identity';
/** The scheme that an instance speaks, where it is not plain HTTP: `https`. */
export const schemeMetaKey = 'roundhouse-scheme';
/** The version of the question; other values are not understood and not asked. */
export const identityMetaValue = '1';
/** Never forwarded by the gateway, answered by the SDK in front of the application. */
export const identityPath = '/.well-known/roundhouse/instance';
/** Carries the instance's id in the answer, a 204. */
export const identityField = 'Roundhouse-Instance';

/** The id that the process at the instance's address must give. Undefined when the instance does not support the check. */
export function expectedIdentity(instance: Instance): string | undefined {
  return instance.meta[identityMetaKey] === identityMetaValue ? instance.id : undefined;
}

/** The question, a whole HTTP/1.1 request. */
export function identityQuestion(instance: Instance): string {
  const { address, port } = instance;
  const host = address.includes(':') ? `[${address}]` : address;
  return `GET ${identityPath} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`;
}

/** The answer, a whole HTTP/1.1 response that leaves the connection open. */
export function identityAnswer(id: string): string {
  return `HTTP/1.1 204 No Content\r\n${identityField}: ${id}\r\n\r\n`;
}

/** A longer answer is a mismatch. */
export const maxIdentityAnswerBytes = 4_096;

/**
 * Reads what has come of an answer so far (latin1). `match`: it is the expected instance, and the connection is at the start of the
 * next response. `mismatch`: anything else, bytes after the answer included.
 */
export function readIdentityAnswer(text: string, expected: string): 'incomplete' | 'match' | 'mismatch' {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return text.length > maxIdentityAnswerBytes ? 'mismatch' : 'incomplete';
  const [status = '', ...fields] = text.slice(0, end).split('\r\n');
  if (end + 4 !== text.length || !status.startsWith('HTTP/1.1 204')) return 'mismatch';
  const values = fields.flatMap((line) => {
    const colon = line.indexOf(':');
    return line.slice(0, colon).toLowerCase() === identityField.toLowerCase()
      ? [line.slice(colon + 1).trim()]
      : [];
  });
  const closes = fields.some((line) => /^connection:.*\bclose\b/i.test(line));
  return values.length === 1 && values[0] === expected && !closes ? 'match' : 'mismatch';
}
