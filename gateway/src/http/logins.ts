/**
 * R51: logins that belong to a connection and not to a request (RFC 4559 §6, MS-NTHT): once an instance has accepted one, it takes
 * whatever comes over that connection for that user's, with no further field. So such a connection is not lent to another client.
 */
const schemes = 'ntlm|negotiate|kerberos|nego2';
const credentials = new RegExp(`^(?:${schemes})(?![^ \\t])`, 'i');
const challenges = new RegExp(`(?:^|,)[ \\t]*(?:${schemes})(?![^ \\t,])`, 'i');

/** Whether an `Authorization` logs its connection in. */
export function logsIn(authorization: string): boolean {
  return credentials.test(authorization);
}

/** Whether a `WWW-Authenticate` asks for such a login, or is a part of one. */
export function asksForLogin(wwwAuthenticate: string): boolean {
  return challenges.test(wwwAuthenticate);
}

/** What belongs to one client connection because of its logins. */
export interface ClientLogins {
  /** `Instance.key` of each instance to which it has a connection of its own. */
  readonly instances: readonly string[];
  /** The client connection has closed. */
  close(): void;
}
