import { classicLoadBalancer } from '../../bench/proxies/node-peers.ts';
import { startProcess } from '../../kit/processes.ts';
import { peerService, type Peer } from './peer.ts';

/** The 40 lines that one writes first. */
export const classic: Peer = {
  name: 'classic',
  title: 'classic 40 lines',
  setup: 'http-proxy, asks Consul for the list on every request; no retries, no timeouts',
  find: () => classicLoadBalancer.find(),
  start: ({ port, consulPort }) =>
    startProcess({
      args: ['test/bench/peers/classic-load-balancer.mjs', String(port), String(consulPort), peerService],
    }),
};
