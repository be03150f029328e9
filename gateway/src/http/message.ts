import type { FieldLines } from './field-lines.ts';
import type { BodyFraming, HttpVersion } from './framing.ts';
import type { HeaderFacts } from './header-facts.ts';
import type { ClientLogins } from './logins.ts';

/** HTTP messages as values: what a codec has read, in the same terms for every engine and every rule. */

/** The peer of a client connection. */
export interface ClientFacts {
  /** IP address, IPv4-mapped IPv6 already unmapped. */
  readonly address: string;
  readonly port: number;
  readonly scheme: 'http' | 'https';
  /** The port of ours that it reached. */
  readonly localPort: number;
  /** From the first login on that belongs to its connection (R51). */
  logins?: ClientLogins;
}

/** A request head that an engine has accepted, with its framing settled. */
export interface RequestHead {
  readonly method: string;
  /** The request-target exactly as received; the rules judge its form. */
  readonly target: string;
  readonly version: HttpVersion;
  readonly fields: FieldLines;
  /** What the fields say, where the codec has gathered it; read from `fields` otherwise. */
  readonly headers?: HeaderFacts;
  readonly body: BodyFraming;
  /** The protocols of `Upgrade` in lower case, when `Connection` lists `upgrade` and the version is 1.1. */
  readonly upgrade: string | undefined;
  readonly client: ClientFacts;
}

/** A response head as an instance sent it. */
export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly fields: FieldLines;
  /** What the fields say, where the codec has gathered it; read from `fields` otherwise. */
  readonly headers?: HeaderFacts;
}
