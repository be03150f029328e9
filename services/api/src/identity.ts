/**
 * Who this process is to the outside: the id and port it registered with. Structurally a part of the handle that
 * `startService` returns, so the handle itself will do.
 */
export interface Identity {
  /** Service name in the registry. */
  readonly name: string;
  /** Instance id, unique per process. */
  readonly id: string;
  /** The port it really listens on. */
  readonly port: number;
}

/**
 * Asks for the identity. It is known only once the socket is bound and the registration was tried, which can be a
 * moment after the first request is in; whoever needs it waits.
 */
export type IdentitySource = () => Identity | Promise<Identity>;
