import { setTimeout as sleep } from 'node:timers/promises';

/** An address as `host:port`. */
export type Address = string;

/**
 * What consul-template does: a blocking query for the passing instances, and the latest answer given to `render` whenever it is another
 * one. An error keeps what was, and is tried again after a second. Ends with the signal.
 */
export async function followConsul(
  consul: string,
  service: string,
  options: { readonly signal: AbortSignal; readonly render: (addresses: readonly Address[]) => void },
): Promise<void> {
  const { signal, render } = options;
  let index = '0';
  let before: string | undefined;
  while (!signal.aborted) {
    try {
      const response = await fetch(`${consul}/v1/health/service/${service}?passing&wait=60s&index=${index}`, {
        signal,
      });
      if (!response.ok) throw new Error(`Consul answers ${response.status}`);
      const rows = (await response.json()) as { Service: { Address: string; Port: number } }[];
      index = response.headers.get('x-consul-index') ?? '0';
      const addresses = rows.map(({ Service }) => `${Service.Address}:${Service.Port}`).sort();
      const text = addresses.join();
      if (text !== before) render(addresses);
      before = text;
    } catch {
      index = '0';
      await sleep(1_000, undefined, { signal }).catch(() => undefined);
    }
  }
}
