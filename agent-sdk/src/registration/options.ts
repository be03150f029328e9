import type { Server } from 'node:http';

import type { ConsulOptions } from '../discovery/environment.ts';

import type { ServiceHandler } from './application.ts';
import type { FetchHandler } from './fetch-handler.ts';
import type { ServiceLog, ServiceLogger } from './log.ts';

/** A claim on requests: a path prefix, optionally for one host, optionally removed before forwarding. */
export interface ServiceRoute {
  /** `/api` takes `/api`, `/api/` and `/api/x`, never `/apiary`. */
  readonly prefix: string;
  /** `example.org` or `*.example.org`; default: any host. */
  readonly host?: string | undefined;
  /** A leading part of the path that is not forwarded: with `/api`, `/api/users` arrives as `/users`. Default: nothing. */
  readonly strip?: string | undefined;
}

/** Further addresses of an instance, by name; Consul itself knows `lan` and `wan`. Without a port, that of the registration. */
export type TaggedAddresses = Readonly<
  Record<string, { readonly address: string; readonly port?: number | undefined }>
>;

/** What {@link registerService} takes: a process that listens by itself. */
export interface RegisterOptions {
  /**
   * The service's name: letters, digits and `. _ -`, at most 128. Instances of one name share its traffic; case does not count. Only a DNS
   * label (letters, digits and hyphens, at most 63) can be found by Consul's DNS, too.
   */
  readonly name: string;
  /** The port the process listens on. Default: that of `server`. */
  readonly port?: number | undefined;
  /**
   * The server that listens there. A stop drains it as that of startService does, and it answers a gateway's identity question on a
   * new connection, so that no request reaches another process that got the port after this one. Default: none; the caller closes
   * what listens, and gateways trust the registration.
   */
  readonly server?: Server | undefined;
  /** Path prefixes to claim at the gateway; a text is `/prefix` or `host/prefix`. Default: none. */
  readonly routes?: readonly (string | ServiceRoute)[] | undefined;
  /** The address to register. Default: `ADDRESS`, else where it is bound to, else the local address on the route to Consul. */
  readonly address?: string | undefined;
  /**
   * The network whose address to register, where `address` is not set: a CIDR block (`10.0.0.0/8`) or the name of an interface (`eth1`).
   * Default: `ADVERTISED_NETWORK`.
   */
  readonly network?: string | undefined;
  /** The port to register where it is not the one that is bound, such as a published port of a container. Default: `ADVERTISED_PORT`. */
  readonly advertisedPort?: number | undefined;
  /** Further addresses in Consul's `TaggedAddresses`, such as `{ wan: { address: '203.0.113.7' } }`. Gateways use `address`. Default: none. */
  readonly taggedAddresses?: TaggedAddresses | undefined;
  /** The instance's id. Default: the name and ten random letters and digits, new at every start. */
  readonly id?: string | undefined;
  /** Further Consul tags. The service's name and one `urlprefix-` tag per route are added. */
  readonly tags?: readonly string[] | undefined;
  /** Further Consul meta: at most 58 pairs, keys of `[A-Za-z0-9_-]` up to 128, none that begins with `roundhouse-`, values up to 512 bytes. */
  readonly meta?: Readonly<Record<string, string>> | undefined;
  /** Shown in Consul as `Meta.version`. Default: none. */
  readonly version?: string | undefined;
  /** Share of traffic relative to the siblings, 1 to 65535. Default 1. */
  readonly weight?: number | undefined;
  /** Lets Consul's agent ask this path too: 2xx is passing, 429 warning, anything else critical. Plain HTTP. Default: none. */
  readonly check?: { readonly http: string; readonly intervalMs?: number | undefined } | undefined;
  /** Without a heartbeat for this long the instance is critical. Default 15 s; heartbeats come every third of it or 5 s. */
  readonly ttlMs?: number | undefined;
  /** Consul removes an instance that has been critical for this long. Default and Consul's minimum: 60 s. */
  readonly deregisterCriticalAfterMs?: number | undefined;
  /**
   * The name under which gateways are registered (their setting `announce`). At a stop the listener closes as soon as all of them
   * have confirmed that they send nothing new; after the start they are asked whether this instance is live. `off`: none is
   * asked. Default `roundhouse`.
   */
  readonly gateways?: string | undefined;
  /** At stop, the longest wait for all gateways together; the log names those that have not confirmed. Default 5 s, at most 60 s. */
  readonly acknowledgeTimeoutMs?: number | undefined;
  /**
   * At stop, the time between the maintenance in Consul and the end of the listener where no gateway confirms: none is registered,
   * one can't be asked, Consul can't be told, or `gateways` is `off` because another balancer is used too. Default 500 ms, at most 60 s.
   */
  readonly propagationMs?: number | undefined;
  /** At stop, how long requests in flight may take after that; without a server, how long `close` may take. Default 10 s. */
  readonly drainTimeoutMs?: number | undefined;
  /**
   * `answer` (default): requests for `/.well-known/roundhouse/instance` are answered with this instance's id in front of the
   * application, and the registration promises it. `off`: they are not; needed where several processes share the registered
   * address and port (another balancer in between; workers of `node:cluster` are recognised).
   */
  readonly identity?: 'answer' | 'off' | undefined;
  /** Awaited after binding and before registering; rejecting fails the start. Default: nothing. */
  readonly ready?: (() => Promise<void>) | undefined;
  /**
   * The caller's own cleanup, called once during stop: after the last request, before the deregistration, to close databases and the
   * like (5 s at most); for registerService without `server`, to stop accepting and finish what is in flight.
   */
  readonly close?: (() => Promise<void>) | undefined;
  /**
   * `handle` (default): SIGTERM, SIGINT and the end of the parent's IPC channel stop the service and exit with 0, an uncaught
   * exception or rejection with 1, unless the program has a listener of its own for `uncaughtException`; a signal more than a second
   * later exits at once. `ignore`: the process does that itself and calls `stop()`.
   */
  readonly signals?: 'handle' | 'ignore' | undefined;
  /** How to reach Consul; each option wins over its `CONSUL_*` variable. */
  readonly consul?: ConsulOptions | undefined;
  /**
   * Gets one event per change of state: a function, or a logger such as Pino's as it is. Default: one line each on stderr, from
   * `LOG_LEVEL` (info, warn, error, silent) on; JSON unless stderr is a terminal, or as `LOG_FORMAT` (`text`, `json`) says.
   */
  readonly log?: ServiceLog | ServiceLogger | undefined;
}

/** What {@link startService} takes: where to listen, and what to serve. */
export type ServiceOptions = ListenOptions & ServedOptions;

/** What is served: one of the two. */
export type ServedOptions =
  | {
      /** A Fastify instance, a NestJS, Koa, Express or Hono app, an http.Server, any `(request, response) => …`. */
      readonly handler: ServiceHandler;
      readonly fetch?: undefined;
    }
  | {
      /** A handler in the form of the Fetch API: `(request) => response`. */
      readonly fetch: FetchHandler;
      readonly handler?: undefined;
    };

/** What {@link startService} takes beside the handler. */
export interface ListenOptions extends Omit<RegisterOptions, 'port' | 'server'> {
  /**
   * A port, 0 for one of the kernel's choice, or a range from which a random free one is taken. Default: `PORT`, else the range
   * 20000–29999. Not used when the server passed in listens already.
   */
  readonly port?: number | { readonly from: number; readonly to: number } | undefined;
  /** The host to bind. Default: `HOST`, else every address of the machine. */
  readonly host?: string | undefined;
}

/** Defaults of both calls; milliseconds where the name ends in `Ms`. */
export const defaults = {
  portRange: { from: 20_000, to: 29_999 },
  weight: 1,
  checkIntervalMs: 10_000,
  ttlMs: 15_000,
  deregisterCriticalAfterMs: 60_000,
  gateways: 'roundhouse',
  acknowledgeTimeoutMs: 5_000,
  propagationMs: 500,
  drainTimeoutMs: 10_000,
} as const;
