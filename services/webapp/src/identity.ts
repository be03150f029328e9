/** Who this process is to the outside; a part of the handle that `startService` returns. */
export interface Identity {
  /** Service name in the registry. */
  readonly name: string;
  /** Instance id, unique per process. */
  readonly id: string;
  /** The port it really listens on. */
  readonly port: number;
}

/** Asks for the identity. It is known once the registration was tried; whoever needs it earlier waits. */
export type IdentitySource = () => Identity | Promise<Identity>;
