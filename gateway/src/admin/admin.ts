import type { Crowding } from '../listeners/admission.ts';
import type { BoundAddress } from '../listeners/engine.ts';
import { buildAdminApp, type AdminOptions } from './app.ts';
import { boundConnections } from './bound-connections.ts';
import { exposureOf } from './guards.ts';

/** The admin listener: health, metrics and status on a port of their own. */
export interface Admin {
  /** Starts listening, once. Rejects with the system error (EADDRINUSE …), and can then be called again. */
  listen(address: { readonly host: string; readonly port: number }): Promise<BoundAddress>;
  /** Closes the listener and every connection. Idempotent; resolves when no socket is left. */
  stop(): Promise<void>;
}

/** See {@link Admin}. `connections`: how many there may be; `onCrowding` is told of each beyond them. The last thing that a gateway stops, so that its health can be seen while it drains. */
export function createAdmin(
  options: AdminOptions & {
    readonly connections: number;
    readonly onCrowding: (crowding: Crowding) => void;
  },
): Admin {
  let app: ReturnType<typeof buildAdminApp> | undefined;
  return {
    listen: async ({ host, port }) => {
      if (app !== undefined) throw new TypeError('The admin listener was started before.');
      const starting = buildAdminApp(options, exposureOf(host));
      app = starting;
      boundConnections(starting.server, options.connections, options.onCrowding);
      try {
        await starting.listen({ host, port });
      } catch (error) {
        app = undefined;
        await starting.close();
        throw error;
      }
      const bound = starting.server.address();
      return typeof bound === 'object' && bound !== null
        ? { host: bound.address, port: bound.port }
        : { host, port };
    },
    stop: async () => {
      await app?.close();
    },
  };
}
