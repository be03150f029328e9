import type { RelayStep } from '../exchange/seam.ts';
import type { Attempt } from './attempt.ts';
import { Download } from './download.ts';
import type { ExchangeRun } from './exchange-run.ts';
import type { ParsedResponse } from '../http1/response-head.ts';
import { halfClosedMs, type Stage } from './stage.ts';
import type { UpstreamConnection, UpstreamUser } from '../upstreams/upstream-connection.ts';

/** Begins to pass a response on: the connection to the instance belongs to the relay that is returned. */
export function startRelay(
  run: ExchangeRun,
  answer: { readonly step: RelayStep; readonly response: ParsedResponse },
  { step: { upgrade, timeouts } }: Attempt,
  upstream: UpstreamConnection,
): Relay {
  const { client, request } = run;
  // An answer that refuses won't have its body read; the client should hear that the connection ends (R34, R35).
  const unread = run.uploading && (answer.response.status >= 300 || run.expectation === 'continue');
  // What a client has sent behind an upgrade is of the new protocol; without one, nobody can read it (R29).
  const stray = upgrade !== undefined && client.ahead === 'yes';
  const connection = unread || stray || answer.step.connection === 'close' ? 'close' : run.persistence;
  const download = new Download(client.socket, request, answer, connection);
  const relay = new Relay(run, upstream, download, timeouts.idleMs);
  upstream.user = relay;
  return relay;
}

/** The stage in which a response goes to the client, while the rest of the request may still go the other way. */
export class Relay implements Stage, UpstreamUser {
  readonly requestBytes = undefined;
  readonly #run: ExchangeRun;
  readonly #upstream: UpstreamConnection;
  readonly #download: Download;
  readonly #idleMs: number;

  constructor(run: ExchangeRun, upstream: UpstreamConnection, download: Download, idleMs: number) {
    this.#run = run;
    this.#upstream = upstream;
    this.#download = download;
    this.#idleMs = idleMs;
  }

  get responseBytes(): number {
    return this.#download.contentBytes;
  }

  /** How the client's connection ends before the response does: never so that it could look whole (R38). */
  get cutBy(): 'plain' | 'reset' {
    return this.#download.endsWithConnection ? 'reset' : 'plain';
  }

  upstreamConnected(): void {
    // It is.
  }

  upstreamBytes(bytes: Buffer, from: number, to: number): void {
    const upstream = this.#upstream;
    const download = this.#download;
    const fullness = download.push(upstream, bytes, from, to);
    const { client, context, uploading } = this.#run;
    if (download.state === 'done') {
      this.#complete(to - download.end);
    } else if (download.state === 'faulty') {
      this.#cut('response_incomplete');
    } else if (fullness === 'full') {
      upstream.socket.pause();
      upstream.disarm();
      context.wheel.arm(client.timeout, this.#idleMs);
    } else {
      upstream.arm(this.#idleMs);
      if (client.input === 'ended') context.wheel.arm(client.timeout, halfClosedMs);
      else if (uploading) context.wheel.arm(client.timeout, this.#idleMs);
    }
  }

  upstreamEnded(): void {
    if (this.#download.upstreamEnded() === 'complete') this.#complete(0);
    else this.#cut('response_incomplete');
  }

  upstreamLost(): void {
    this.#cut('response_incomplete');
  }

  upstreamDrained(): void {
    if (!this.#run.uploading) return;
    this.#upstream.arm(this.#idleMs);
    this.#run.upload?.drained();
  }

  upstreamTimedOut(): void {
    this.#cut('response_incomplete');
  }

  faulted(fault: unknown): void {
    this.#run.faulted(fault);
  }

  clientBytes(bytes: Buffer, from: number, to: number): number {
    const { upload, client } = this.#run;
    if (upload === undefined) return from;
    const end = upload.carry(bytes, from, to);
    // Half of an answer is out: there is no other way left to refuse the rest of the body.
    if (upload.fault !== undefined) client.destroy(this.cutBy);
    return end;
  }

  clientDrained(): void {
    const { client, context, uploading } = this.#run;
    if (uploading) context.wheel.arm(client.timeout, this.#idleMs);
    else context.wheel.disarm(client.timeout);
    this.#upstream.arm(this.#idleMs);
    this.#upstream.socket.resume();
  }

  clientEnded(): void {
    const { client, context, uploading } = this.#run;
    if (uploading) client.destroy(this.cutBy);
    else context.wheel.arm(client.timeout, halfClosedMs);
  }

  /** The client takes nothing any more, sends nothing any more, or left in the middle of a stream that has fallen silent. */
  clientTimedOut(): void {
    this.#run.client.destroy(this.cutBy);
  }

  expired(): void {
    this.#cut('deadline');
  }

  abandon(): undefined {
    this.#upstream.reset();
  }

  /** The whole response has been written. `surplus`: bytes that the instance sent after it (R32). */
  #complete(surplus: number): void {
    const upstream = this.#upstream;
    const { uploading, context } = this.#run;
    const { persistence, keepAliveSeconds } = this.#download.response;
    const reusable = !uploading && persistence === 'keep' && surplus === 0;
    if (reusable) context.pools.giveBack(upstream, keepAliveSeconds);
    else upstream.destroy();
    this.#run.complete(uploading ? 'close' : this.#download.connection);
  }

  /** The answer ends here in the middle: the client must see that it is not whole (R38). */
  #cut(kind: 'response_incomplete' | 'deadline'): void {
    this.#upstream.destroy();
    this.#run.cut(kind, this.cutBy);
  }
}
