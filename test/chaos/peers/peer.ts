import { eventually } from '../../kit/eventually.ts';
import { get } from '../../kit/load.ts';
import type { Found } from '../../bench/proxies/contender.ts';

/** Where a peer listens and what it follows. */
export interface Site {
  /** On 127.0.0.1. */
  readonly port: number;
  readonly consul: string;
  readonly consulPort: number;
  /** Consul's DNS on 127.0.0.1. */
  readonly dnsPort: number;
  /** For its files; removed afterwards. */
  readonly folder: string;
}

/** A proxy in front of `api-service`, set up as an expert would. */
export interface Peer {
  /** For `--rows`. */
  readonly name: string;
  readonly title: string;
  /** How it learns of instances and what it may try again, for the page. */
  readonly setup: string;
  find(): Found;
  /** Resolves when it is started, with whatever else it needs. */
  start(site: Site): Promise<AsyncDisposable>;
}

/** The service behind every peer. */
export const peerService = 'api-service';
/** All of them give up on an answer after this, and on a connection after half of it. */
export const answerTimeoutMs = 2_000;

/** Waits until several requests in a row are answered, so that every instance has been. */
export async function untilServes(url: string): Promise<void> {
  await eventually(
    async () => {
      for (let count = 0; count < 12; count += 1) {
        const { status } = await get(`${url}/api/x`);
        if (status !== 200) throw new Error(`it answers ${status}`);
      }
    },
    30_000,
    100,
  );
}
