const sdk = (...rooms) => rooms.map((room) => `agent-sdk/src/${room}`);
const gateway = (...rooms) => rooms.map((room) => `gateway/src/${room}`);

/** The parts that start, show or serve what the rest decides and does; only they and the command line import them. */
const above = gateway(
  'gateway.ts',
  'build-gateway.ts',
  'traffic.ts',
  'status',
  'admin',
  'commands',
  'cli.ts',
  'embedded-consul',
);
const edge = [...above, ...gateway('telemetry')];
const engines = gateway('proxy', 'http1', 'node-http', 'listeners', 'upstreams');

/** Which room must not import which others (docs/architecture.md): decisions below, action above, the edge on top. */
export const layers = [
  { room: 'agent-sdk/src', not: ['gateway/src', 'services'] },
  { room: 'agent-sdk/src/discovery', not: sdk('balancing', 'registration', 'index.ts') },
  { room: 'agent-sdk/src/balancing', not: sdk('registration', 'index.ts') },
  { room: 'agent-sdk/src/registration', not: sdk('balancing', 'index.ts') },
  { room: 'gateway/src', not: ['services'] },
  {
    room: 'gateway/src/http',
    not: [
      ...edge,
      ...engines,
      ...gateway('exchange', 'registry', 'health', 'config', 'lifecycle', 'routing'),
    ],
  },
  { room: 'gateway/src/routing', not: [...edge, ...engines, ...gateway('exchange', 'registry', 'health')] },
  { room: 'gateway/src/exchange', not: [...edge, ...engines, ...gateway('registry', 'health')] },
  {
    room: 'gateway/src/sockets',
    not: [...edge, ...gateway('proxy', 'http1', 'node-http', 'listeners', 'upstreams', 'registry', 'health')],
  },
  {
    room: 'gateway/src/proxy',
    not: [...edge, ...gateway('http1', 'node-http', 'listeners', 'registry', 'health')],
  },
  {
    room: 'gateway/src/upstreams',
    not: [...edge, ...gateway('node-http', 'listeners', 'registry', 'health')],
  },
  { room: 'gateway/src/http1', not: [...edge, ...gateway('node-http', 'registry', 'health')] },
  { room: 'gateway/src/node-http', not: [...edge, ...gateway('registry', 'health')] },
  { room: 'gateway/src/listeners', not: [...edge, ...gateway('registry', 'health')] },
  { room: 'gateway/src/registry', not: [...above, ...engines] },
  { room: 'gateway/src/health', not: [...above, ...engines, ...gateway('registry')] },
  {
    room: 'gateway/src/config',
    not: [...edge, ...gateway('http1', 'node-http', 'upstreams', 'registry', 'health')],
  },
  {
    room: 'gateway/src/lifecycle',
    not: [...above, ...engines, ...gateway('exchange', 'registry', 'health')],
  },
  { room: 'gateway/src/status', not: gateway('gateway.ts', 'admin', 'telemetry', 'commands', 'cli.ts') },
  { room: 'gateway/src/telemetry', not: gateway('gateway.ts', 'admin', 'commands', 'cli.ts') },
  { room: 'gateway/src/admin', not: gateway('gateway.ts', 'commands', 'cli.ts') },
  {
    room: 'gateway/src/embedded-consul',
    not: gateway(
      'exchange',
      'routing',
      'registry',
      'health',
      'admin',
      'config',
      'lifecycle',
      'telemetry',
      'proxy',
    ),
  },
];

/** Type names that may be declared more than once, each with the reason. */
export const sharedTypeNames = {
  Identity: 'each demo service is complete in itself: readers copy one without the other',
  IdentitySource: 'as Identity',
};
