import type { Endpoint } from '@roundhouse/agent-sdk/internal';

import type { ClientLogins } from '../http/logins.ts';
import type { UpstreamConnection } from './upstream-connection.ts';

/** Instances that one client connection may be logged in to at a time. */
const maxConnections = 8;

/**
 * The connections to instances over which one client connection has logged in (R51), one per instance: no other client's request goes
 * over them, and they die with the client's. They idle as long as others. Ended by `close`.
 */
export class OwnConnections implements ClientLogins {
  readonly #connections: UpstreamConnection[] = [];
  #state: 'open' | 'closed' = 'open';

  get instances(): readonly string[] {
    return this.#connections.map(({ endpoint }) => endpoint.instance.key);
  }

  /** The idle one to an endpoint. */
  take(endpoint: Endpoint): UpstreamConnection | undefined {
    return this.#connections.find((own) => own.endpoint === endpoint && own.user === undefined);
  }

  /** A login has come over a connection. */
  add(connection: UpstreamConnection): void {
    if (this.#connections.includes(connection)) return;
    // It must not reach another client either.
    if (this.#state === 'closed') connection.reusable = false;
    this.take(connection.endpoint)?.destroy();
    connection.owner = this;
    this.#connections.push(connection);
    if (this.#connections.length > maxConnections) this.#connections[0]?.destroy();
  }

  /** One of them has closed, or is about to. */
  forget(connection: UpstreamConnection): void {
    const at = this.#connections.indexOf(connection);
    if (at !== -1) this.#connections.splice(at, 1);
  }

  close(): void {
    this.#state = 'closed';
    for (const connection of [...this.#connections]) connection.destroy();
  }
}
