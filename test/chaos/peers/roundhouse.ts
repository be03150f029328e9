import { startGatewayProcess } from '../../kit/system.ts';
import { answerTimeoutMs, type Peer } from './peer.ts';

/** As it comes, but for the times that all peers share. */
export const roundhouse: Peer = {
  name: 'roundhouse',
  title: 'Roundhouse',
  setup: 'blocking queries; retries as it comes',
  find: () => ({ kind: 'found', version: 'this commit' }),
  start: ({ consul, port }) =>
    startGatewayProcess(consul, {
      port,
      env: {
        GATEWAY_ANNOUNCE: 'roundhouse',
        GATEWAY_TIMEOUTS_CONNECT_MS: String(answerTimeoutMs / 2),
        GATEWAY_TIMEOUTS_TRY_MS: String(answerTimeoutMs),
      },
    }),
};
