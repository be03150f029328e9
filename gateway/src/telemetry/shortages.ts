import type { Crowding } from '../listeners/admission.ts';
import type { Sacrifice } from '../sockets/memory-budget.ts';
import type { Log } from './log.ts';

/** What the gateway has too little of, by how it shows. */
const kinds = [
  'all_made_room',
  'all_refused',
  'address_made_room',
  'address_refused',
  'admin_made_room',
  'admin_refused',
  'exhausted',
  'memory_replay',
  'memory_upload',
  'memory_keep_alive',
  'memory_request',
  'memory_connection',
] as const;
type ShortageKind = (typeof kinds)[number];

/** Counts what the gateway has run out of, and says it in the log: one line for each kind and minute. */
export interface Shortages {
  /** There are too many client connections. */
  readonly crowded: (crowding: Crowding) => void;
  /** There are too many connections to the admin listener. */
  readonly adminCrowded: (crowding: Crowding) => void;
  /** No connection to an instance could be opened, or none accepted, for want of something of the gateway's own. */
  readonly exhausted: (why: string) => void;
  /** Memory for what peers make the gateway hold is short, and something is given up. */
  readonly memory: (what: Sacrifice) => void;
  /** So far. */
  readonly counts: () => readonly (readonly [kind: ShortageKind, count: number])[];
}

const quietMs = 60_000;

const sacrifices: Readonly<Record<Sacrifice, string>> = {
  replay: 'request bodies are not kept for another attempt',
  upload: 'requests with a body get 503',
  keep_alive: 'answers close their connections',
  request: 'all new requests get 503',
  connection: 'new connections are closed, and those whose peers do not read are cut',
};

const means: Readonly<Record<Crowding['outcome'], string>> = {
  made_room: 'those that have waited longest for a request are closed for new ones',
  refused: 'none waits for a request, so that new ones are closed',
};

/** See {@link Shortages}. `now`: monotonic milliseconds. Holds no timer. */
export function createShortages(log: Pick<Log, 'warn'>, now: () => number): Shortages {
  const counts = new Map<ShortageKind, number>(kinds.map((kind) => [kind, 0]));
  const saidMs = new Map<ShortageKind, number>();
  const note = (kind: ShortageKind, text: () => string): void => {
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    const nowMs = now();
    if (nowMs - (saidMs.get(kind) ?? -Infinity) < quietMs) return;
    saidMs.set(kind, nowMs);
    log.warn(text());
  };
  return {
    crowded: (crowding) => {
      note(`${crowding.limit}_${crowding.outcome}`, () => crowdedText(crowding));
    },
    adminCrowded: ({ limit, outcome, connections, address }) => {
      const whose =
        limit === 'all'
          ? `All ${connections} connections of the admin listener are taken`
          : `${address} has its ${connections} connections to the admin listener`;
      note(`admin_${outcome}`, () => `${whose}: ${means[outcome]}.`);
    },
    exhausted: (why) => {
      note('exhausted', () => `The gateway itself has run short, no instance is to blame: ${why}.`);
    },
    memory: (what) => {
      note(
        `memory_${what}`,
        () => `Memory for what peers send is short (limits.memoryBytes): ${sacrifices[what]}.`,
      );
    },
    counts: () => [...counts],
  };
}

function crowdedText({ limit, outcome, connections, address }: Crowding): string {
  const whose =
    limit === 'all'
      ? `All ${connections} client connections are taken (limits.connections)`
      : `${address} has its ${connections} connections (limits.connectionsPerAddress; a load balancer belongs in trustedProxies)`;
  return `${whose}: ${means[outcome]}.`;
}
