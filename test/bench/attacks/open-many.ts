import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** Connections are opened in steps of this many, so that the kernel's queue of the proxy isn't what is tested. */
const perStep = 20;
const stepMs = 10;

/** What became of the connections of an attack. */
export interface OpenedCount {
  /** Neither closed nor answered by the proxy. */
  readonly held: number;
  /** Answered with an error or closed. */
  readonly refused: number;
}

/**
 * Opens `count` connections to 127.0.0.1, hands each to `use` once it stands, and keeps them until `signal` aborts. What comes back on
 * them is not read unless `use` reads it.
 */
export async function openMany(
  port: number,
  count: number,
  {
    use,
    signal,
    from,
  }: {
    readonly use: (socket: Socket) => void;
    readonly signal: AbortSignal;
    /** The attacker's own address; undefined: that of the other clients. */
    readonly from?: string;
  },
): Promise<OpenedCount> {
  const open = new Set<Socket>();
  let refused = 0;
  for (let k = 0; k < count && !signal.aborted; k += 1) {
    const socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      ...(from === undefined ? {} : { localAddress: from }),
    });
    open.add(socket);
    socket.on('connect', () => {
      use(socket);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (open.delete(socket)) refused += 1;
    });
    if (k % perStep === perStep - 1) await pause(stepMs);
  }
  if (!signal.aborted) {
    await new Promise((resolve) => {
      signal.addEventListener('abort', resolve, { once: true });
    });
  }
  const held = open.size;
  for (const socket of open) {
    open.delete(socket);
    socket.destroy();
  }
  return { held, refused };
}

/** For the report. */
export function inWords({ held, refused }: OpenedCount): string {
  return `${held.toLocaleString('en')} held, ${refused.toLocaleString('en')} refused`;
}
