/** Name, id and port that this process registered with: a part of the handle that `startService` returns. */
export interface Identity {
  /** Service name in the registry. */
  readonly name: string;
  /** Instance id, unique per process. */
  readonly id: string;
  /** The port it listens on. */
  readonly port: number;
}

/** Gives the identity. It is known once the socket is bound and the registration was tried; earlier requests wait for it. */
export type IdentitySource = () => Identity | Promise<Identity>;
