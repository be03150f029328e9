import { createHmac, randomBytes } from 'node:crypto';

/** 22 characters of base64url are 132 bits: a token can't be guessed. */
const tokenLength = 22;

/**
 * Makes the tokens of sticky cookies: a keyed hash of service and instance in base64url, the same on every gateway with the same
 * secret. `random` draws a secret now.
 */
export function createSessionTokens(secret: string): (service: string, instanceKey: string) => string {
  const key = secret === 'random' ? randomBytes(32) : Buffer.from(secret);
  return (service, instanceKey) =>
    createHmac('sha256', key).update(`${service}\0${instanceKey}`).digest('base64url').slice(0, tokenLength);
}
