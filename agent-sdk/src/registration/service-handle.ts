import type { GatewayReport } from './gateways.ts';
import type { RegistrationState } from './registration-state.ts';

/** A running, registered service. Ends by `stop()`, by `await using`, or by a signal. */
export interface ServiceHandle extends AsyncDisposable {
  readonly id: string;
  readonly name: string;
  /** The registered address; undefined while it can't be determined because Consul's name does not resolve. */
  readonly address: string | undefined;
  /** The port that is bound. */
  readonly port: number;
  /** Where the registration stands right now. */
  readonly registration: RegistrationState;
  /**
   * What the gateways say once this instance is registered: settles as soon as it is live on all of them, else 5 s later, and at a
   * stop. Without gateways the list is empty. Never rejects.
   */
  readonly live: Promise<GatewayReport>;
  /**
   * Announces the end in Consul, waits until all gateways have confirmed that they send nothing new (or for a fixed time, where
   * there are none), closes the listener, finishes what is in flight, deregisters.
   * Never rejects, always ends: every step is bounded. Called again it returns the same promise. Does not exit the process.
   */
  stop(): Promise<void>;
}
