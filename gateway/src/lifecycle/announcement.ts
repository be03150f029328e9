import { type ConsulOptions, registerService, type ServiceHandle } from '@roundhouse/agent-sdk/internal';

/** The gateway's own registration in Consul, by the same SDK call as that of a service. The gateway serves even if it fails. */
export interface Announcement {
  /** The id in Consul; undefined until the gateway is registered. */
  readonly id: string | undefined;
  /** Registers the gateway at a port. Resolves at once: this goes on in the background, and a failure is logged. Once. */
  start(port: number): Promise<void>;
  /** Deregisters the gateway. Never rejects. */
  stop(): Promise<void>;
}

/** What an announcement needs. */
export interface AnnouncementOptions {
  /** The service name; `off`: the gateway is not announced. */
  readonly name: string;
  /** How Consul is reached; `CONSUL_*` of the environment fill in what is missing. */
  readonly consul: ConsulOptions;
  readonly version: string;
  readonly log: Readonly<
    Record<'info' | 'warn' | 'error', (message: string, fields?: { readonly err: unknown }) => void>
  >;
}

/** See {@link Announcement}. Ended by `stop`. */
export function createAnnouncement({ name, consul, version, log }: AnnouncementOptions): Announcement {
  let registered: Promise<ServiceHandle | undefined> = Promise.resolve(undefined);
  let id: string | undefined;

  const register = async (port: number): Promise<ServiceHandle | undefined> => {
    try {
      const handle = await registerService({
        name,
        port,
        version,
        consul,
        signals: 'ignore',
        gateways: 'off',
        propagationMs: 0,
        log: ({ level, message }) => {
          log[level](message);
        },
      });
      id = handle.id;
      return handle;
    } catch (err) {
      log.error(`The gateway can't announce itself in Consul as "${name}"; it serves without.`, { err });
      return undefined;
    }
  };

  return {
    get id() {
      return id;
    },
    start(port) {
      if (name !== 'off') registered = register(port);
      return Promise.resolve();
    },
    async stop() {
      const handle = await registered;
      await handle?.stop();
    },
  };
}
