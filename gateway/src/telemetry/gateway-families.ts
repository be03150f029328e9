import type { NoticeKind } from '@roundhouse/agent-sdk/internal';

import type { ConfigCounts } from '../config/config-control.ts';
import type { MemoryBudget } from '../sockets/memory-budget.ts';
import type { GatewayStatus, GatewaySummary, ServiceCounts } from '../status/status.ts';
import type { Family } from './exposition.ts';
import type { Shortages } from './shortages.ts';

/** What is read when the metrics are asked for. */
export interface GaugeSources {
  readonly status: GatewayStatus;
  readonly droppedLogLines: () => number;
  readonly shortages: Shortages['counts'];
  /** Instances and routes that came, went or changed so far. */
  readonly tableChanges: () => number;
  readonly reloads: () => ConfigCounts;
  readonly memory: Pick<MemoryBudget, 'limitBytes' | 'usedBytes' | 'peakBytes'>;
  /** How long the process itself did not run: in all, and at most since the last call. */
  readonly stalls: { readonly lostMs: () => number; readonly takeLongestMs: () => number };
}

const statuses = ['passing', 'warning', 'critical', 'draining'] as const;

const gauge = (name: string, help: string, samples: Family['samples']): Family => ({
  name,
  type: 'gauge',
  help,
  samples,
});

function ofInstances(services: readonly ServiceCounts[]): Family {
  return gauge(
    'gateway_instances',
    'Instances by what the registry says of them.',
    services.flatMap(({ service, byStatus }) =>
      statuses.map((status) => [{ service, status }, byStatus[status]] as const),
    ),
  );
}

function refusedRecords(services: readonly ServiceCounts[], { refusedServices }: GatewaySummary): Family {
  return gauge(
    'gateway_refused_records',
    'Records of the registry that are not used; with an empty service: services whose name is not believed.',
    [
      [{ service: '' }, refusedServices.length],
      ...services.map(({ service, quarantined }) => [{ service }, quarantined] as const),
    ],
  );
}

/** Every kind has a sample, so that an alert on it can be written before it happens. */
const noticeKinds = ['over_limit', 'cut_reads', 'oversize'] as const satisfies readonly NoticeKind[];

function registryNotices({ notices }: GatewaySummary): Family {
  const kinds = new Set(notices.map(({ kind }) => kind));
  return gauge(
    'gateway_registry_notices',
    'Whether something between the gateway and Consul asks for an operator; the log and /api/summary say what.',
    noticeKinds.map((kind) => [{ kind }, kinds.has(kind) ? 1 : 0] as const),
  );
}

const ofRegistry = (services: readonly ServiceCounts[], summary: GatewaySummary): readonly Family[] => [
  refusedRecords(services, summary),
  registryNotices(summary),
];

/** The state of the gateway as families of samples. */
export function gatewayFamilies(sources: GaugeSources): readonly Family[] {
  const { status, tableChanges } = sources;
  const [services, stats] = [status.counts(), status.summary()];
  const followed = services.every((s) => s.registry === 'live' || s.registry === 'fixed');
  return [
    {
      name: 'gateway_table_changes_total',
      type: 'counter',
      help: 'Changes of the routing table: instances and routes that came, went or changed.',
      samples: [[{}, tableChanges()]],
    },
    gauge('gateway_open_connections', 'Open connections, to clients and to instances.', [
      [{ side: 'client' }, stats.clientConnections],
      [{ side: 'instance' }, stats.upstreamConnections],
    ]),
    gauge('gateway_requests_in_flight', 'Requests between their head and their end, WebSockets included.', [
      [{}, stats.exchanges],
    ]),
    ofInstances(services),
    gauge(
      'gateway_ejected_instances',
      'Instances that the gateway itself leaves out after failures.',
      services.map(({ service, ejected }) => [{ service }, ejected]),
    ),
    gauge(
      'gateway_silent_instances',
      'Instances that owe responses and did not answer a question either.',
      services.map(({ service, silent }) => [{ service }, silent]),
    ),
    gauge(
      'gateway_held_instances',
      'Instances that the registry took away in a way that is checked before it is believed.',
      services.map(({ service, held }) => [{ service }, held]),
    ),
    ...ofRegistry(services, stats),
    gauge(
      'gateway_panic',
      '1 while so few instances are healthy that critical ones are used too, else 0.',
      services.map(({ service, panic }) => [{ service }, panic === 'panic' ? 1 : 0]),
    ),
    gauge(
      'gateway_queued_requests',
      'Requests that wait for an instance to become free.',
      services.map(({ service, queued }) => [{ service }, queued]),
    ),
    gauge(
      'gateway_registry_age_seconds',
      'Time since the registry last confirmed the list of a service.',
      services.flatMap(({ service, ageMs }) =>
        ageMs === undefined ? [] : [[{ service }, ageMs / 1000] as const],
      ),
    ),
    gauge('gateway_registry_live', '1 while the registry can be followed for every service, else 0.', [
      [{}, followed ? 1 : 0],
    ]),
    gauge('gateway_ready', '1 while /readyz answers 200, else 0.', [[{}, status.readiness().ready ? 1 : 0]]),
    ...configFamilies(sources),
    ...processFamilies(sources),
  ];
}

const reloadOutcomes = ['applied', 'unchanged', 'invalid', 'failed', 'pinned'] as const;

/** What came of other configurations. */
function configFamilies({ reloads }: GaugeSources): readonly Family[] {
  const { byOutcome, last } = reloads();
  const isRefused = last?.outcome === 'invalid' || last?.outcome === 'failed';
  return [
    {
      name: 'gateway_config_reloads_total',
      type: 'counter',
      help: 'Configurations that a running gateway was given, by what came of them.',
      samples: reloadOutcomes.map((outcome) => [{ outcome }, byOutcome.get(outcome) ?? 0]),
    },
    gauge(
      'gateway_config_last_reload_successful',
      '0 while the last configuration was refused and an older one runs, else 1.',
      [[{}, isRefused ? 0 : 1]],
    ),
  ];
}

/** What the process itself lacked. */
function processFamilies({ stalls, memory, shortages, droppedLogLines }: GaugeSources): readonly Family[] {
  return [
    gauge(
      'gateway_stall_longest_seconds',
      'The longest time since the last scrape in which this process did not run.',
      [[{}, stalls.takeLongestMs() / 1000]],
    ),
    {
      name: 'gateway_stalled_seconds_total',
      type: 'counter',
      help: 'Time in which this process did not run; timeouts are not counted against instances in it.',
      samples: [[{}, stalls.lostMs() / 1000]],
    },
    gauge('gateway_held_bytes', 'What is held for peers: now, at most so far, and the limit.', [
      [{ what: 'now' }, memory.usedBytes],
      [{ what: 'peak' }, memory.peakBytes],
      [{ what: 'limit' }, memory.limitBytes],
    ]),
    {
      name: 'gateway_shortages_total',
      type: 'counter',
      help: 'What the gateway itself had too little of: memory, client connections in all or of an address, descriptors and ports.',
      samples: shortages().map(([kind, count]) => [{ kind }, count]),
    },
    {
      name: 'gateway_log_lines_dropped_total',
      type: 'counter',
      help: 'Log lines dropped because their reader was stuck or a write failed.',
      samples: [[{}, droppedLogLines()]],
    },
  ];
}
